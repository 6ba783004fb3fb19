"""Data sets are the genuine ones, and what is wrong with files is said in one line."""

import gzip
import hashlib
import struct
from pathlib import Path
from unittest.mock import Mock
from urllib.error import URLError

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from actscope.config import DataSource
from actscope.engine import torchvision_compat
from actscope.engine.data import Data, load_data
from actscope.engine.images import KNOWN_SHA256, tensor_sha256
from actscope.errors import DataError
from actscope.project import ROOT


@pytest.fixture
def no_network(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise URLError("no network in this test")

    monkeypatch.setattr("urllib.request.urlopen", fail)


# The bundled digits


@pytest.fixture(scope="module")
def digits() -> Data:
    return load_data(DataSource("digits"))


def test_digits_are_split_four_to_one(digits):
    assert digits.train_x.shape == (1437, 64)
    assert digits.test_x.shape == (360, 64)
    assert digits.train_y.shape == (1437,)
    assert digits.test_y.shape == (360,)
    assert (digits.features, digits.classes) == (64, 10)


def test_each_digit_is_in_both_parts_in_its_share(digits):
    train, test = digits.train_y.bincount(), digits.test_y.bincount()
    assert ((train + test) * 0.2 - test).abs().max() < 1


def test_pixels_are_from_0_to_1(digits):
    for x in (digits.train_x, digits.test_x):
        assert x.dtype == torch.float32
        assert (x.min(), x.max()) == (0, 1)
    assert digits.train_y.dtype == torch.int64


def test_digits_are_all_of_scikit_learns_each_once_with_its_label(digits):
    images, labels = load_digits(return_X_y=True)
    expected = sorted([*image, label] for image, label in zip(images, labels, strict=True))
    x = torch.cat([digits.train_x, digits.test_x]) * 16
    y = torch.cat([digits.train_y, digits.test_y])
    assert sorted(torch.cat([x, y[:, None]], 1).tolist()) == expected


def test_digits_have_the_recorded_digest(digits):
    arrays = [
        (digits.train_x * 16).to(torch.uint8).numpy(),
        digits.train_y.to(torch.uint8).numpy(),
        (digits.test_x * 16).to(torch.uint8).numpy(),
        digits.test_y.to(torch.uint8).numpy(),
    ]
    assert digits.sha256 == tensor_sha256(arrays) == KNOWN_SHA256["digits"]


def test_other_digits_than_the_recorded_are_refused(monkeypatch):
    monkeypatch.setitem(KNOWN_SHA256, "digits", "0" * 64)
    with pytest.raises(DataError) as caught:
        load_data.__wrapped__(DataSource("digits"))
    assert line(caught.value).startswith(
        "data=digits: the installed scikit-learn does not hold the genuine data set (its SHA-256"
    )


def without_copy(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("actscope.engine.images.ROOT", tmp_path)
    return tmp_path / "data" / "digits.npz"


def digits_anew():
    return load_data.__wrapped__(DataSource("digits"))


def test_digits_are_read_from_a_copy_once_there_is_one(tmp_path, monkeypatch, digits):
    copy = without_copy(tmp_path, monkeypatch)
    assert digits_anew().sha256 == digits.sha256
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    monkeypatch.setattr(
        "actscope.engine.images._scikit_learns_digits", Mock(side_effect=AssertionError)
    )
    assert torch.equal(digits_anew().train_x, digits.train_x)


@pytest.mark.parametrize(
    "damaged",
    [
        lambda copy: copy.write_bytes(copy.read_bytes()[:1000]),
        lambda copy: copy.write_bytes(b""),
        lambda copy: copy.write_text("digits"),
        lambda copy: np.savez(copy, np.zeros((1437, 64), np.uint8)),
    ],
    ids=["cut_off", "empty", "text", "others"],
)
def test_a_copy_of_the_digits_that_is_none_is_made_anew(tmp_path, monkeypatch, digits, damaged):
    copy = without_copy(tmp_path, monkeypatch)
    digits_anew()
    whole = copy.read_bytes()
    damaged(copy)
    assert torch.equal(digits_anew().train_x, digits.train_x)
    assert len(copy.read_bytes()) == len(whole)


def test_digits_need_no_copy_where_nothing_can_be_written(tmp_path, monkeypatch, digits):
    copy = without_copy(tmp_path, monkeypatch)
    copy.parent.write_text("a file where the folder should be")
    assert torch.equal(digits_anew().train_x, digits.train_x)


def test_a_data_set_is_read_once(digits):
    assert load_data(DataSource("digits")) is digits


def test_a_digest_is_of_shapes_and_bytes():
    expected = hashlib.sha256(b"uint8(2,)\x01\x02uint8(1, 1)\x03").hexdigest()
    arrays = [np.array([1, 2], np.uint8), np.array([[3]], np.uint8)]
    assert tensor_sha256(arrays) == expected


# MNIST, where its files are

MNIST_RAW = ROOT / "data" / "MNIST" / "raw"
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

needs_mnist = pytest.mark.skipif(
    not all((MNIST_RAW / f"{name}.gz").is_file() for name in FILES),
    reason="data/MNIST/raw does not hold MNIST's four archives",
)


@needs_mnist
@pytest.mark.usefixtures("no_network")
def test_mnists_four_archives_are_all_that_is_needed(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        (raw / f"{name}.gz").symlink_to(MNIST_RAW / f"{name}.gz")
    mnist = load_data(DataSource("mnist", str(tmp_path)))
    assert mnist.train_x.shape == (60_000, 784)
    assert mnist.test_x.shape == (10_000, 784)
    assert mnist.train_x.min() == 0
    assert mnist.train_x.max() == 1
    assert mnist.train_y[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test_y[:5].tolist() == [7, 2, 1, 0, 4]
    assert mnist.sha256 == KNOWN_SHA256["mnist"]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """A folder with MNIST's four files, not to be changed."""
    folder = tmp_path_factory.mktemp("mnist")
    for name in FILES:
        (folder / name).write_bytes(gzip.decompress((MNIST_RAW / f"{name}.gz").read_bytes()))
    return folder


@pytest.fixture
def mnist_copy(tmp_path, unpacked) -> Path:
    """The raw folder of a copy of MNIST, unpacked, whose files a test may replace."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        (raw / name).symlink_to(unpacked / name)
    return raw


@needs_mnist
@pytest.mark.usefixtures("no_network")
def test_mnist_is_read_from_a_copy_once_there_is_one(mnist_copy, monkeypatch):
    source = DataSource("mnist", str(mnist_copy.parents[1]))
    first = load_data.__wrapped__(source)
    monkeypatch.setattr(
        "actscope.engine.torchvision_compat.datasets", Mock(side_effect=AssertionError)
    )
    again = load_data.__wrapped__(source)
    assert torch.equal(again.train_x, first.train_x)
    assert torch.equal(again.test_y, first.test_y)


@needs_mnist
@pytest.mark.usefixtures("no_network")
def test_no_copy_is_made_of_damaged_files(mnist_copy, unpacked):
    (mnist_copy / TRAIN_IMAGES).unlink()
    (mnist_copy / TRAIN_IMAGES).write_bytes(zeroed(unpacked / TRAIN_IMAGES))
    assert_refused("mnist", mnist_copy, "does not hold the genuine data set")
    assert not list(mnist_copy.parents[1].glob("*.npz"))


def zeroed(genuine: Path) -> bytes:
    content = genuine.read_bytes()
    return content[:16] + bytes(len(content) - 16)


def with_label_200(genuine: Path) -> bytes:
    return genuine.read_bytes()[:-1] + bytes([200])


def with_two_images_swapped(genuine: Path) -> bytes:
    content = genuine.read_bytes()
    first, second = content[16 : 16 + 784], content[16 + 784 : 16 + 2 * 784]
    return content[:16] + second + first + content[16 + 2 * 784 :]


@needs_mnist
@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        (TRAIN_IMAGES, zeroed, "does not hold the genuine data set (its SHA-256 is "),
        (TEST_LABELS, with_label_200, "does not hold the genuine data set (its SHA-256 is "),
        (TEST_IMAGES, with_two_images_swapped, "does not hold the genuine data set (its SHA"),
        (
            TRAIN_LABELS,
            lambda genuine: genuine.with_name(TEST_LABELS).read_bytes(),  # 10,000 of 60,000
            "does not hold the genuine data set (its SHA-256 is ",
        ),
        (TEST_IMAGES, lambda genuine: genuine.read_bytes()[:1000], "cannot be read or downloaded"),
        (TEST_IMAGES, lambda genuine: genuine.read_bytes()[:8], "cannot be read or downloaded"),
        (TEST_IMAGES, lambda genuine: bytes(genuine.stat().st_size), "cannot be read or downloa"),
        (TRAIN_LABELS, lambda _: b"", "cannot be read or downloaded"),
        (TRAIN_LABELS, lambda _: b"<html>Not found</html>", "cannot be read or downloaded"),
    ],
    ids=[
        "zeroed_pixels",
        "label_of_200",
        "swapped_images",
        "fewer_labels_than_images",
        "truncated",
        "truncated_header",
        "all_zero",
        "empty",
        "a_web_page",
    ],
)
def test_damaged_files_are_refused(mnist_copy, unpacked, name, damage, reason):
    (mnist_copy / name).unlink()
    (mnist_copy / name).write_bytes(damage(unpacked / name))
    assert_refused("mnist", mnist_copy, reason)


@pytest.mark.usefixtures("no_network")
def test_a_damaged_archive_is_refused(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(b"something else"))
    assert_refused("mnist", raw, f"cannot be read or downloaded (Error downloading {TRAIN_IMAGES}")


@needs_mnist
@pytest.mark.usefixtures("no_network")
def test_a_folder_in_the_place_of_a_file_is_refused(mnist_copy):
    (mnist_copy / TRAIN_IMAGES).unlink()
    (mnist_copy / TRAIN_IMAGES).mkdir()
    assert_refused("mnist", mnist_copy, "cannot be read or downloaded (Error downloading train-im")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "folder"),
    [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST"), ("kmnist", "KMNIST")],
)
def test_missing_files_without_a_network_are_refused(tmp_path, name, folder):
    raw = tmp_path / folder / "raw"
    assert_refused(name, raw, "cannot be read or downloaded (Error downloading train-images-idx3")


@pytest.mark.usefixtures("no_network")
def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert_refused("mnist", tmp_path / "file" / "MNIST" / "raw", "cannot be read or downloaded (")


# Sets without a recorded digest, held against their archives: a tiny one, as torchvision keeps it

PIXELS = {TRAIN_IMAGES: bytes(range(12)), TEST_IMAGES: bytes(range(8))}  # 3 and 2 images of 2 x 2
LABELS = {TRAIN_LABELS: bytes([0, 1, 1]), TEST_LABELS: bytes([1, 0])}


@pytest.fixture
def tiny_kmnist(tmp_path, no_network, monkeypatch) -> Path:
    """The raw folder with the four archives, and torchvision told to expect them."""
    raw = tmp_path / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    contents = {
        **{name: struct.pack(">4i", 2051, len(b) // 4, 2, 2) + b for name, b in PIXELS.items()},
        **{name: struct.pack(">2i", 2049, len(b)) + b for name, b in LABELS.items()},
    }
    resources = []
    for name, content in contents.items():
        archive = gzip.compress(content)
        (raw / f"{name}.gz").write_bytes(archive)
        (raw / name).write_bytes(content)
        resources.append((f"{name}.gz", hashlib.md5(archive, usedforsecurity=False).hexdigest()))
    monkeypatch.setattr("torchvision.datasets.KMNIST.resources", resources)
    return raw


def test_files_that_are_what_their_archives_hold_are_read(tiny_kmnist):
    data = load_data(DataSource("kmnist", str(tiny_kmnist.parents[1])))
    expected = torch.arange(12.0).view(3, 4) / 255
    assert torch.equal(data.train_x, expected)
    assert torch.equal(data.test_x, expected[:2])
    assert (data.train_y.tolist(), data.test_y.tolist()) == ([0, 1, 1], [1, 0])
    assert len(data.sha256) == 64


def test_a_file_that_is_not_what_its_archive_holds_is_refused(tiny_kmnist):
    content = (tiny_kmnist / TEST_IMAGES).read_bytes()
    (tiny_kmnist / TEST_IMAGES).write_bytes(content[:-1] + b"\xff")
    reason = (
        f"cannot be read or downloaded ({TEST_IMAGES} differs from the content of {TEST_IMAGES}.gz)"
    )
    assert_refused("kmnist", tiny_kmnist, reason)


def test_an_archive_that_is_not_the_published_one_is_refused(tiny_kmnist):
    other = gzip.compress((tiny_kmnist / TRAIN_LABELS).read_bytes(), mtime=1)
    (tiny_kmnist / f"{TRAIN_LABELS}.gz").write_bytes(other)
    assert_refused(
        "kmnist", tiny_kmnist, f"cannot be read or downloaded ({TRAIN_LABELS}.gz does no"
    )


def test_files_without_their_archives_are_refused(tiny_kmnist):
    (tiny_kmnist / f"{TRAIN_IMAGES}.gz").unlink()
    assert_refused("kmnist", tiny_kmnist, "cannot be read or downloaded (")


def test_torchvision_can_be_imported_whichever_torch_stands_beside_it():
    assert torchvision_compat.datasets().MNIST.__name__ == "MNIST"
    assert torchvision_compat.datasets() is torchvision_compat.datasets()


def line(error: Exception) -> str:
    message = str(error)
    assert len(message.splitlines()) == 1
    return message


def assert_refused(name: str, raw: Path, reason: str) -> None:
    """One line: which data set, where, what is wrong, and the two ways out."""
    with pytest.raises(DataError) as caught:
        load_data(DataSource(name, str(raw.parents[1])))
    message = line(caught.value)
    assert message.startswith(f"data={name}: {raw} {reason}")
    assert message.endswith(
        ". Remove that folder and put the four genuine .gz files into it, or use data=digits."
    )
