"""What makes images harder or easier to learn: a noisy background, and the scale of pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from actscope.config import DataSource
from actscope.errors import DataError

Images = np.ndarray[Any, Any]


def with_noise(splits: Sequence[Images], most: float) -> list[Images]:
    """The images of each split with noise, uniform in 0..`most`, in each pixel that is zero.

    With the brightest pixel as `most` this is how mnist-back-rand was made (Larochelle et al.,
    2007). The noise is fixed: that of an image depends on the images before it and on nothing else.
    """
    # numpy keeps the stream of RandomState for good, and that of Generator not (NEP 19). torch
    # promises its generator's numbers for no other release.
    rng = np.random.RandomState(0)
    return [_with_noise(images, most, rng) for images in splits]


def _with_noise(images: Images, most: float, rng: np.random.RandomState) -> Images:
    noisy = images.astype(np.float32)
    for image in noisy:
        background = image == 0
        image[background] = most * rng.random_sample(np.count_nonzero(background))
    return noisy


def standardise(source: DataSource, train: Tensor, *others: Tensor) -> None:
    """Subtract the mean of all pixels that train, and divide by their standard deviation; in place.

    One number each for all pixels. `others`: images that are scaled by the same two numbers.

    Raises:
        DataError: all pixels that train are equal.

    """
    pixels = train.numpy()
    if pixels.min() == pixels.max():
        raise DataError(
            f"data.scale=standard: all inputs of the {len(pixels)} training examples of "
            f"{source.name} are equal. Use data.scale=unit."
        )
    # numpy's sums do not depend on the number of threads, torch's do.
    mean, std = pixels.mean(dtype=np.float64), pixels.std(dtype=np.float64)
    for images in (train, *others):
        images.sub_(float(mean)).div_(float(std))
