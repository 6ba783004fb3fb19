"""Data sets as tensors."""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

import torch
from torch import Tensor

from actscope.config import DataSource
from actscope.engine.images import read_images
from actscope.engine.pixels import Images, standardise, with_noise
from actscope.engine.splits import Labels, split_rows, strata_of

BRIGHTEST = {"digits": 16, "mnist": 255, "fashion_mnist": 255, "kmnist": 255, "cifar10": 255}


@dataclass(frozen=True, eq=False)
class Data:
    """N examples as rows of I pixels with their classes or targets, in three splits.

    Pixels are in 0..1, those of mnist1d as they were generated, unless `data.scale` is standard.
    Without validation examples, and where the test is left out, that split is empty.
    """

    name: str
    train_x: Tensor  # [N, I] float32
    train_y: Tensor  # [N] int64, or targets [N, F] float32
    validation_x: Tensor
    validation_y: Tensor
    test_x: Tensor
    test_y: Tensor
    sha256: str  # of all examples, whatever the splits
    in_shape: tuple[int, ...] = ()  # of an image as a user's own network gets it; (): [I]
    out_shape: tuple[int, ...] = ()  # of a target as the user's function returns it

    @property
    def examples(self) -> int:
        return len(self.train_x)

    @property
    def features(self) -> int:
        return self.train_x.shape[1]

    @property
    def has_numbers(self) -> bool:
        """Whether targets are numbers, and not classes."""
        return self.train_y.is_floating_point()

    @property
    def classes(self) -> int:
        return 0 if self.has_numbers else int(self.train_y.max()) + 1

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """A copy on this device, with pixels and targets of this type."""
        moved: dict[str, Any] = {
            name: _moved(value, device, dtype)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)


def _moved(x: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Numbers on a device; whole ones, like classes or the tokens of a text, keep their type."""
    return x.to(device, dtype if x.is_floating_point() else x.dtype)


@cache
def load_data(source: DataSource) -> Data:
    """Read a data set into tensors and verify it.

    Raises:
        DataError: files are missing and cannot be downloaded, or are not the genuine ones; or there
            are too few or too many examples that train or are held out; or data.scale=standard
            divides by zero.

    """
    (images, labels, test_x, test_y), digest = read_images(source)
    train, validation = split_rows(source, strata_of(labels))
    tested = slice(None if source.test else 0)
    brightest = BRIGHTEST.get(source.name, 1)
    if source.noise > 0:
        images, test_x = with_noise([images, test_x], source.noise * brightest)
    splits = [images[train], images[validation], test_x[tested]]
    pixels = [_pixels(split, brightest) for split in splits]
    if source.scale == "standard":
        standardise(source, *pixels)
    return Data(
        name=source.name,
        train_x=pixels[0],
        train_y=_targets(labels[train]),
        validation_x=pixels[1],
        validation_y=_targets(labels[validation]),
        test_x=pixels[2],
        test_y=_targets(test_y[tested]),
        sha256=digest,
        in_shape=_in_shape(source, images),
        out_shape=labels.shape[1:],
    )


def _in_shape(source: DataSource, images: Images) -> tuple[int, ...]:
    """Channel, height and width of an image; of a user's own data what its function returns."""
    shape: tuple[int, ...] = images.shape[1:]
    if source.name == "digits":  # scikit-learn has them as rows
        return (1, 8, 8)
    return (1, *shape) if len(shape) == 2 and not source.is_own else shape


def _targets(given: Labels) -> Tensor:
    """Classes [N] as int64, or targets [N, F] as float32."""
    values = torch.from_numpy(given)
    if not values.is_floating_point():
        return values.long()
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _pixels(images: Images, brightest: int) -> Tensor:
    rows = torch.from_numpy(images).flatten(1)
    if rows.dtype == torch.int64:  # of a user's own data, like the tokens of a text
        return rows
    return rows.float().div_(brightest)
