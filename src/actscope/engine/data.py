"""Data sets as tensors."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from actscope.config import DataSource
from actscope.engine.images import held_out, read_images

Rows = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class Data:
    """N images as rows of I pixels in 0..1 and their classes, in three splits.

    Without validation images, and where the test is left out, that split is empty.
    """

    name: str
    train_x: Tensor  # [N, I] float32
    train_y: Tensor  # [N] int64
    validation_x: Tensor
    validation_y: Tensor
    test_x: Tensor
    test_y: Tensor
    sha256: str  # of all images, whatever the splits

    @property
    def examples(self) -> int:
        return len(self.train_x)

    @property
    def features(self) -> int:
        return self.train_x.shape[1]

    @property
    def classes(self) -> int:
        return int(self.train_y.max()) + 1

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """A copy on this device, with pixels of this type."""
        return replace(
            self,
            train_x=self.train_x.to(device, dtype),
            train_y=self.train_y.to(device),
            validation_x=self.validation_x.to(device, dtype),
            validation_y=self.validation_y.to(device),
            test_x=self.test_x.to(device, dtype),
            test_y=self.test_y.to(device),
        )


@cache
def load_data(source: DataSource) -> Data:
    """Read a data set into tensors and verify it.

    Raises:
        DataError: files are missing and cannot be downloaded, or are not the genuine ones; or there
            are too few or too many validation images.

    """
    (images, labels, test_x, test_y), digest = read_images(source)
    train, validation = _hold_out(source, labels)
    tested = slice(None if source.test else 0)
    brightest = 16 if source.name == "digits" else 255
    return Data(
        name=source.name,
        train_x=_pixels(images[train], brightest),
        train_y=torch.from_numpy(labels[train]).long(),
        validation_x=_pixels(images[validation], brightest),
        validation_y=torch.from_numpy(labels[validation]).long(),
        test_x=_pixels(test_x[tested], brightest),
        test_y=torch.from_numpy(test_y[tested]).long(),
        sha256=digest,
    )


def _hold_out(source: DataSource, labels: np.ndarray[Any, Any]) -> tuple[Rows, Rows]:
    """Rows of the training and of the validation images, the same for all runs; stratified."""
    rows = np.arange(len(labels))
    if held_out(source, labels) == 0:
        return rows, rows[:0]
    from sklearn.model_selection import train_test_split

    train, validation = train_test_split(
        rows, test_size=source.validation, stratify=labels, random_state=0
    )
    return np.sort(train), np.sort(validation)


def _pixels(images: np.ndarray[Any, Any], brightest: int) -> Tensor:
    return torch.from_numpy(images).flatten(1).float().div_(brightest)
