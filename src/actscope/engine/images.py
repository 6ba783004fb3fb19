"""The images of data sets as arrays; each set is read and verified by its SHA-256."""

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
from typing import Any, Protocol

import numpy as np
from filelock import FileLock

from actscope.config import DataSource
from actscope.engine import cifar10, mnist1d
from actscope.engine.splits import strata_of, training_size
from actscope.errors import DataError
from actscope.project import ROOT

# `tensor_sha256` of the pixels (uint8; of mnist1d float32) and uint8 labels, train then test. Data
# sets without an entry are compared with their archives: CIFAR-10 with the SHA-256 of its only one,
# others with the md5 that torchvision publishes.
KNOWN_SHA256 = {
    "digits": "2e7750b9477994ef6f996f240b375c7949fcf6f77f07626d6f60bec04b180930",
    "mnist": "2eb4d82c94e1e65af5a565df335e810e7cfbcdeb8ce2cf9674792583d7c4266b",
    "mnist1d": "a3a3b14e7413c9548a046a4d90105a536041c5b15728df3947e82da4d4f16312",
}
LOCK = ".fetch.lock"
Arrays = tuple[np.ndarray[Any, Any], ...]
TORCHVISION_CLASS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
PACKAGE = {"digits": "scikit-learn", "mnist1d": "mnist1d"}  # which contains the data set


class Described(Protocol):
    """What a sweep has to know about a data set, without its tensors."""

    @property
    def name(self) -> str: ...

    @property
    def examples(self) -> int:
        """Number of images that train."""

    @property
    def features(self) -> int:
        """Pixels of an image."""

    @property
    def classes(self) -> int:
        """Their number, or 0 where targets are numbers."""

    @property
    def sha256(self) -> str:
        """Of all images, whatever the splits."""


@dataclass(frozen=True)
class Description:
    """A data set without its tensors, which need torch."""

    name: str
    examples: int
    features: int
    classes: int
    sha256: str


@cache
def describe_data(source: DataSource) -> Description:
    """Read a data set and verify it; raises what `load_data` raises."""
    (images, labels, *_), digest = read_images(source)
    features = int(images[0].size)
    classes = 0 if labels.dtype.kind == "f" else int(labels.max()) + 1
    examples = training_size(source, strata_of(labels))
    return Description(source.name, examples, features, classes, digest)


def read_images(source: DataSource) -> tuple[Arrays, str]:
    """Pixels and labels of training and test as they are stored, and their SHA-256; verified.

    Raises:
        DataError: files are missing and cannot be downloaded, or are not the genuine ones.
        ConfigError: a user's own function cannot be used.

    """
    if source.is_own:
        from actscope.engine.own_data import read_own  # torch is slow to import

        arrays: Arrays = read_own(source)
        return arrays, tensor_sha256(arrays)
    copy = _root(source) / f"{source.name}.npz"
    arrays = _read_copy(copy)
    digest = tensor_sha256(arrays)
    known = KNOWN_SHA256.get(source.name)
    if digest != known:
        arrays = _read_originals(source)
        digest = tensor_sha256(arrays)
        if known is not None:
            _check_digest(source, digest)
            with suppress(OSError):  # in a read-only folder each process reads the original files
                _keep_copy(arrays, copy)
    return arrays, digest


def as_found_here(source: DataSource) -> DataSource:
    """The data set of a run, in the run's folder if this machine has it there.

    Otherwise the default folder is used, so that a run cannot make this machine download files to
    a folder of its choice.
    """
    if source.is_own:
        return source
    has_originals = source.name not in PACKAGE and _originals(source).exists()
    has_copy = (_root(source) / f"{source.name}.npz").is_file()
    return source if has_originals or has_copy else replace(source, root=None)


def tensor_sha256(arrays: Iterable[np.ndarray[Any, Any]]) -> str:
    """SHA-256 of the bytes of arrays, each preceded by its type and shape."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check_digest(source: DataSource, digest: str) -> None:
    known = KNOWN_SHA256[source.name]
    if digest != known:
        raise DataError(
            f"data={source.name}: {_place(source)} does not hold the genuine data set (its "
            f"SHA-256 is {digest[:12]}..., not {known[:12]}...). {_fix(source)}"
        )


def _read_copy(path: Path) -> Arrays:
    """Read the copy of an earlier process; empty if there is none, or if it is damaged.

    It saves each process the import of scikit-learn, torchvision or mnist1d, which takes seconds.
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


def _read_originals(source: DataSource) -> Arrays:
    if source.name == "digits":
        return _scikit_learns_digits()
    if source.name == "mnist1d":
        return mnist1d.generate()
    with _told_in_one_line(source):
        if source.name == "cifar10":
            with _download_lock(_root(source)):
                archive = cifar10.download(_root(source))
            return cifar10.read(archive)
        return _from_torchvision(source)


def _scikit_learns_digits() -> Arrays:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=0
    )
    return tuple(array.astype(np.uint8) for array in (train_x, train_y, test_x, test_y))


def _from_torchvision(source: DataSource) -> Arrays:
    from actscope.engine import torchvision_compat  # only where no copy is there yet

    kind = getattr(torchvision_compat.datasets(), TORCHVISION_CLASS[source.name])
    root = _root(source)
    with _download_lock(root):
        splits = [kind(root, train=train, download=True) for train in (True, False)]
        if source.name not in KNOWN_SHA256:
            _check_against_archives(splits[0])
    return tuple(
        array.numpy().astype(np.uint8) for split in splits for array in (split.data, split.targets)
    )


@contextmanager
def _told_in_one_line(source: DataSource) -> Iterator[None]:
    """Raise DataError where files cannot be read or downloaded, or are not the genuine ones."""
    try:
        yield
    # AssertionError: torchvision asserts that a file's length fits its header.
    except (OSError, RuntimeError, ValueError, EOFError, AssertionError) as error:
        reason = shorten(str(error) or "a file is damaged", width=100, placeholder=" ...")
        raise DataError(
            f"data={source.name}: {_place(source)} cannot be read or downloaded ({reason}). "
            f"{_fix(source)}"
        ) from error


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


def _originals(source: DataSource) -> Path:
    """The file or folder that the data set is read from where there is no copy."""
    if source.name == "cifar10":
        return _root(source) / cifar10.ARCHIVE
    return _root(source) / TORCHVISION_CLASS[source.name] / "raw"


def _place(source: DataSource) -> str:
    if source.name in PACKAGE:
        return f"the installed {PACKAGE[source.name]}"
    return str(_originals(source))


def _fix(source: DataSource) -> str:
    if source.name in PACKAGE:
        return f"Install {PACKAGE[source.name]} again, at the version of constraints.txt."
    if source.name == "cifar10":
        return "Put the genuine archive there, or use data=shapes."
    return "Remove that folder and put the four genuine .gz files into it, or use data=digits."
