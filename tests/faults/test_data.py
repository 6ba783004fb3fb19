"""Data sets that are not what they should be: refused by name before any run is opened."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.test_data import (
    FILES,
    MNIST_RAW,
    TEST_IMAGES,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    needs_mnist,
    with_label_200,
    zeroed,
)
from tests.faults.conftest import TINY, Command
from tests.faults.test_store import content_of

pytestmark = pytest.mark.slow

WAYS_OUT = ". Remove that folder and put the four genuine .gz files into it, or use data=digits."
NOT_GENUINE = "does not hold the genuine data set (its SHA-256 is "
UNREADABLE = "cannot be read or downloaded ("


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that nobody answers at: torchvision fetches what is missing where it can."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture
def raw(home: Path) -> Path:
    """The folder that torchvision reads MNIST's files from."""
    folder = home / "data" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def small(raw: Path) -> Path:
    """The folder with four files that are well-formed, and are not MNIST."""
    for name in FILES:
        count = 100 if name.startswith("train") else 20
        (raw / name).write_bytes(images(count) if "images" in name else labels(count))
    return raw


def images(count: int) -> bytes:
    return struct.pack(">4i", 2051, count, 28, 28) + bytes(range(196)) * 4 * count


def labels(count: int) -> bytes:
    return struct.pack(">2i", 2049, count) + bytes(i % 10 for i in range(count))


def assert_refused(command: Command, raw: Path, reason: str, *words: str) -> None:
    """One line that names the set, its folder and two ways out; the files and the store stay."""
    before = content_of(raw)
    settings = ("data=mnist", f"data.root={raw.parents[1]}", *TINY)
    line = command("sweep", *words, *settings).refused(2)
    assert line.startswith(f"actscope: data=mnist: {raw} {reason}")
    assert line.endswith(WAYS_OUT)
    assert content_of(raw) == before
    assert not (raw.parents[2] / "mlruns").exists()


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_an_archive_that_cannot_be_unpacked(path: Path) -> None:
    path.unlink()
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(b"cut")[:10])


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "none": (TRAIN_IMAGES, lambda _: None, NOT_GENUINE),
    "zeroed": (TRAIN_IMAGES, lambda path: path.write_bytes(zeroed(path)), NOT_GENUINE),
    "label_of_200": (
        TRAIN_LABELS,
        lambda path: path.write_bytes(with_label_200(path)),
        NOT_GENUINE,
    ),
    "half_of_the_labels": (TRAIN_LABELS, lambda path: path.write_bytes(labels(50)), NOT_GENUINE),
    "cut": (TEST_IMAGES, lambda path: path.write_bytes(path.read_bytes()[:999]), UNREADABLE),
    "empty": (TRAIN_LABELS, lambda path: path.write_bytes(b""), UNREADABLE),
    "folder": (TRAIN_IMAGES, become_a_folder, UNREADABLE),
    "archive": (TRAIN_IMAGES, become_an_archive_that_cannot_be_unpacked, UNREADABLE),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_files_that_are_not_mnist_are_refused(command: Command, small: Path, damage: str) -> None:
    name, break_it, reason = DAMAGES[damage]
    break_it(small / name)
    assert_refused(command, small, reason, "-m", "seed=0,1")


def test_a_single_run_refuses_them_too(command: Command, small: Path) -> None:
    assert_refused(command, small, NOT_GENUINE)


def test_the_process_ends_with_that_line(process: Command, small: Path) -> None:
    assert_refused(process, small, NOT_GENUINE, "-m", "seed=0,1")


@needs_mnist
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (TRAIN_IMAGES, zeroed),
        (TRAIN_LABELS, with_label_200),
        (TRAIN_LABELS, lambda _: labels(50)),
    ],
    ids=["zeroed", "label_of_200", "fewer_labels"],
)
def test_mnist_with_one_damaged_file_is_refused(
    command: Command, raw: Path, name: str, damage: Callable[[Path], bytes]
) -> None:
    for each in FILES:
        content = gzip.decompress((MNIST_RAW / f"{each}.gz").read_bytes())
        (raw / each).write_bytes(content)
    (raw / name).write_bytes(damage(raw / name))
    assert_refused(command, raw, NOT_GENUINE, "-m", "seed=0,1")
