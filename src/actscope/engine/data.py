"""Data sets as tensors; each is read once and verified by its SHA-256."""

import gzip
import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import Any, Self

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from actscope.config import DataSource
from actscope.engine import torchvision_compat
from actscope.errors import DataError
from actscope.project import ROOT

# `tensor_sha256` of the uint8 pixels and labels, train then test. Data sets without an entry are
# compared with their archives, whose md5 torchvision publishes.
KNOWN_SHA256 = {
    "digits": "2e7750b9477994ef6f996f240b375c7949fcf6f77f07626d6f60bec04b180930",
    "mnist": "2eb4d82c94e1e65af5a565df335e810e7cfbcdeb8ce2cf9674792583d7c4266b",
}
LOCK = ".fetch.lock"
Arrays = tuple[np.ndarray[Any, Any], ...]
Rows = np.ndarray[Any, np.dtype[np.int64]]
TORCHVISION_CLASS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}


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
    copy = _root(source) / f"{source.name}.npz"
    arrays = _read_copy(copy)
    digest = tensor_sha256(arrays)
    known = KNOWN_SHA256.get(source.name)
    if digest != known:
        arrays = _scikit_learns_digits() if source.name == "digits" else _from_torchvision(source)
        digest = tensor_sha256(arrays)
        if known is not None:
            _check_digest(source, digest)
            with suppress(OSError):  # in a read-only folder each process reads the original files
                _keep_copy(arrays, copy)
    images, labels, test_x, test_y = arrays
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
    if source.validation == 0:
        return rows, rows[:0]
    from sklearn.model_selection import train_test_split

    try:
        train, validation = train_test_split(
            rows, test_size=source.validation, stratify=labels, random_state=0
        )
    except ValueError as error:
        least, most = len(set(labels)), len(labels) - len(set(labels))
        raise DataError(
            f"data.validation={source.validation}: {source.name} has {len(labels)} training "
            f"images. Hold out {least} to {most} of them."
        ) from error
    return np.sort(train), np.sort(validation)


def as_found_here(source: DataSource) -> DataSource:
    """The data set of a run, in the run's folder if this machine has it there.

    Otherwise the default folder is used, so that a run cannot make this machine download files to
    a folder of its choice.
    """
    has_raw = source.name != "digits" and (_root(source) / TORCHVISION_CLASS[source.name]).is_dir()
    has_copy = (_root(source) / f"{source.name}.npz").is_file()
    return source if has_raw or has_copy else replace(source, root=None)


def tensor_sha256(arrays: Iterable[np.ndarray[Any, Any]]) -> str:
    """SHA-256 of arrays of bytes, each preceded by its shape."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _pixels(images: np.ndarray[Any, Any], brightest: int) -> Tensor:
    return torch.from_numpy(images).flatten(1).float().div_(brightest)


def _check_digest(source: DataSource, digest: str) -> None:
    known = KNOWN_SHA256[source.name]
    if digest != known:
        raise DataError(
            f"data={source.name}: {_place(source)} does not hold the genuine data set (its "
            f"SHA-256 is {digest[:12]}..., not {known[:12]}...). {_fix(source)}"
        )


def _read_copy(path: Path) -> Arrays:
    """Read the copy of an earlier process; empty if there is none, or if it is damaged.

    It saves each process the import of scikit-learn or torchvision, which takes a second or two.
    """
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return tuple(arrays.values())
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return ()


def _keep_copy(arrays: Arrays, path: Path) -> None:
    """Write a copy, completely or not at all."""
    path.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix=".copy-", dir=path.parent) as folder:
        new = Path(folder) / path.name
        np.savez(new, *arrays)
        new.rename(path)


def _scikit_learns_digits() -> Arrays:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=0
    )
    return tuple(array.astype(np.uint8) for array in (train_x, train_y, test_x, test_y))


def _from_torchvision(source: DataSource) -> Arrays:
    kind = getattr(torchvision_compat.datasets(), TORCHVISION_CLASS[source.name])
    root = _root(source)
    try:
        with _download_lock(root):
            splits = [kind(root, train=train, download=True) for train in (True, False)]
            if source.name not in KNOWN_SHA256:
                _check_against_archives(splits[0])
    # AssertionError: torchvision asserts that a file's length fits its header.
    except (OSError, RuntimeError, ValueError, EOFError, AssertionError) as error:
        reason = shorten(str(error) or "a file is damaged", width=100, placeholder=" ...")
        raise DataError(
            f"data={source.name}: {_place(source)} cannot be read or downloaded ({reason}). "
            f"{_fix(source)}"
        ) from error
    return tuple(
        array.numpy().astype(np.uint8) for split in splits for array in (split.data, split.targets)
    )


@contextmanager
def _download_lock(root: Path) -> Iterator[None]:
    """Let only one process of this host download, unpack and read the files at a time."""
    if root.exists() and not os.access(root, os.W_OK):
        yield  # no process can download anything
        return
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / LOCK):
        yield


def _check_against_archives(split: Any) -> None:
    """Raise ValueError unless the archives have their known md5 and the unpacked files match."""
    for name, md5 in split.resources:
        archive = Path(split.raw_folder) / name
        if hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest() != md5:
            raise ValueError(f"{name} does not have the md5 {md5}")
        if gzip.decompress(archive.read_bytes()) != archive.with_suffix("").read_bytes():
            raise ValueError(f"{archive.stem} differs from the content of {name}")


def _root(source: DataSource) -> Path:
    return ROOT / (source.root or "data")


def _place(source: DataSource) -> str:
    if source.name == "digits":
        return "the installed scikit-learn"
    return str(_root(source) / TORCHVISION_CLASS[source.name] / "raw")


def _fix(source: DataSource) -> str:
    if source.name == "digits":
        return "Install scikit-learn again."
    return "Remove that folder and put the four genuine .gz files into it, or use data=digits."
