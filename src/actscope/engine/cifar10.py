"""CIFAR-10 (Krizhevsky, 2009), read from the archive that torchvision downloads."""

import hashlib
import pickle
import tarfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

ARCHIVE = "cifar-10-python.tar.gz"
# Keras and torchvision's prototypes publish it.
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
BATCHES = tuple(
    f"cifar-10-batches-py/{name}"
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
)
SHAPE = (3, 32, 32)  # of an image: red, green and blue, rows, columns


def download(root: Path) -> Path:
    """The archive in `root`; it is downloaded, completely or not at all, unless it is there.

    Raises:
        OSError: it cannot be downloaded or written.
        RuntimeError: what was downloaded is not the archive.

    """
    archive = root / ARCHIVE
    if not archive.exists():
        from actscope.engine import torchvision_compat  # slow to import

        datasets = torchvision_compat.datasets()
        published = datasets.CIFAR10
        with TemporaryDirectory(prefix=".download-", dir=root) as folder:
            datasets.utils.download_url(published.url, folder, ARCHIVE, published.tgz_md5)
            (Path(folder) / ARCHIVE).rename(archive)
    return archive


def read(archive: Path) -> tuple[Array, ...]:
    """Pixels [N, 3, 32, 32] and classes [N], uint8, of training, then of the test.

    The batches in the archive are pickles. None is loaded before the archive's SHA-256 is verified.

    Raises:
        OSError: the archive cannot be read.
        ValueError: it is not the genuine one.

    """
    content = archive.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise ValueError(f"its SHA-256 is {digest[:12]}..., not {SHA256[:12]}...")
    with tarfile.open(fileobj=BytesIO(content), mode="r|gz") as files:  # read once, from the front
        batches = {file.name: _unpickled(files, file) for file in files if file.name in BATCHES}
    *train, test = (batches[name] for name in BATCHES)
    return *_joined(train), *_joined([test])


def _unpickled(files: tarfile.TarFile, file: tarfile.TarInfo) -> dict[str, Any]:
    content = files.extractfile(file)
    assert content is not None, "a batch is a file"
    # Python 2 wrote it: its texts are bytes, which latin1 keeps as they are.
    batch: dict[str, Any] = pickle.load(content, encoding="latin1")  # noqa: S301 - it is verified
    return batch


def _joined(batches: list[dict[str, Any]]) -> tuple[Array, Array]:
    pixels = np.concatenate([batch["data"] for batch in batches]).reshape(-1, *SHAPE)
    labels = np.concatenate([batch["labels"] for batch in batches]).astype(np.uint8)
    return pixels, labels
