"""CIFAR-10 is read as torchvision reads it, and nothing of an archive that is not genuine runs."""

import hashlib
import io
import pickle
import struct
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch

from actscope.config import DataSource, Train
from actscope.engine import cifar10, torchvision_compat
from actscope.engine.data import load_data
from actscope.engine.images import as_found_here, describe_data
from actscope.engine.train import train_stack
from actscope.errors import DataError
from actscope.network_settings import OwnNetwork
from actscope.parsing import parse_point
from tests.support.fixtures import Compose
from tests.support.making import make_point

FOLDER = "cifar-10-batches-py"
TRAIN = [f"data_batch_{number}" for number in range(1, 6)]
IN_THE_ARCHIVE = ["data_batch_4", "test_batch", *TRAIN[:3], "data_batch_5"]  # not in order
IMAGES = 20  # of a batch


def text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def python2_pickle(pixels: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 and the numpy of 2009 pickled it, opcode by opcode."""
    rows, columns = pixels.shape
    shape = b"M" + struct.pack("<H", rows) + b"M" + struct.pack("<H", columns) + b"\x86"
    empty = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R"
    )
    uint8 = b"cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R"
    state = b"(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    content = b"T" + struct.pack("<i", pixels.size) + pixels.tobytes()
    array = empty + b"(K\x01" + shape + uint8 + state + b"\x89" + content + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    entries = text("batch_label") + text("a batch") + text("labels") + numbers
    return b"\x80\x02}(" + entries + text("data") + array + b"u."


def make_batch(name: str) -> bytes:
    rng = np.random.RandomState(sum(name.encode()))
    labels = np.arange(IMAGES) % 10
    pixels = 20 * labels[:, None] + rng.randint(
        0, 70, (IMAGES, 3072)
    )  # higher classes are brighter
    return python2_pickle(pixels.astype(np.uint8), labels.tolist())


def write_archive(path: Path, batches: Iterable[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in batches:
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small archive where torchvision keeps it, whose checksum is taken for the genuine one."""
    path = tmp_path / "cifar-10-python.tar.gz"
    write_archive(path, [(name, make_batch(name)) for name in IN_THE_ARCHIVE])
    monkeypatch.setattr(cifar10, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def source_of(archive: Path, **settings: object) -> DataSource:
    return replace(DataSource("cifar10", str(archive.parent)), **settings)


# Reading


def test_images_and_classes_are_those_that_torchvision_reads(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = torchvision_compat.datasets().CIFAR10
    folder = archive.parent / FOLDER
    with tarfile.open(archive) as files:
        files.extractall(archive.parent, filter="data")
    listed = [[name, md5((folder / name).read_bytes())] for name in [*TRAIN, "test_batch"]]
    monkeypatch.setattr(kind, "train_list", listed[:5])
    monkeypatch.setattr(kind, "test_list", listed[5:])
    monkeypatch.setattr(kind, "_load_meta", lambda _: None)  # the names of the classes
    data = load_data(source_of(archive))
    for train, x, y in ((True, data.train_x, data.train_y), (False, data.test_x, data.test_y)):
        expected = kind(archive.parent, train=train)  # [N, rows, columns, colours]
        rows = torch.from_numpy(expected.data).permute(0, 3, 1, 2).flatten(1)
        assert torch.equal(x, rows / 255)
        assert y.tolist() == expected.targets


def test_an_image_is_three_colours_of_32_rows_of_32_pixels(archive: Path) -> None:
    data, described = load_data(source_of(archive)), describe_data(source_of(archive))
    assert (data.train_x.shape, data.test_x.shape) == ((5 * IMAGES, 3072), (IMAGES, 3072))
    assert data.in_shape == (3, 32, 32)
    assert (described.features, described.classes, described.examples) == (3072, 10, 5 * IMAGES)
    assert described.sha256 == data.sha256


def test_it_is_split_cut_down_and_scaled_like_other_images(archive: Path) -> None:
    data = load_data(source_of(archive, validation=0.2, train_size=40, scale="standard"))
    assert (len(data.train_x), len(data.validation_x)) == (40, 20)
    assert data.train_y.bincount().tolist() == [4] * 10
    assert float(data.train_x.double().mean()) == pytest.approx(0, abs=1e-6)
    assert float(data.train_x.double().std(correction=0)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("network", ["built-in", "residual"])
def test_a_network_trains_on_it(archive: Path, network: str) -> None:
    source = source_of(archive, scale="standard")
    point = replace(make_point(lr=0.01), data=source, train=Train(3, 20, "mean"))
    if network == "residual":
        point = replace(point, model=OwnNetwork("actscope.engine.residual.ResidualCNN"))
    result = train_stack([point], load_data(source))[0]
    losses = result.history.query("split == 'train'")["loss"].tolist()
    assert losses[-1] < losses[0]
    assert result.widths[-1] == 10


def test_the_residual_study_takes_it(compose: Compose) -> None:
    point = parse_point(compose("experiment=residual", "data=cifar10"))
    assert (point.data, point.train.momentum) == (DataSource("cifar10", "data"), 0.9)


# What is not genuine, or not there


def refusal(source: DataSource) -> str:
    with pytest.raises(DataError) as caught:
        load_data(source)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    path = Path(str(source.root)) / "cifar-10-python.tar.gz"
    start, end = (
        f"data=cifar10: {path} cannot be read or downloaded (",
        "genuine archive there, or ",
    )
    assert message.startswith(start)
    assert message.endswith(f"). Put the {end}use data=shapes.")
    return message.removeprefix(start).split("). Put")[0]


@dataclass(frozen=True)
class MakesAFile:
    """What runs code while it is unpickled."""

    path: Path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_an_archive_that_is_not_genuine_is_refused_and_not_unpickled(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pickle makes a file. As a control, it does once its checksum counts as genuine."""
    made = archive.parent / "made"
    write_archive(archive, [("data_batch_1", pickle.dumps(MakesAFile(made)))])
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    published = cifar10.SHA256
    reason = refusal(source_of(archive))
    assert reason == f"its SHA-256 is {sha256[:12]}..., not {published[:12]}..."
    assert not made.exists()
    monkeypatch.setattr(cifar10, "SHA256", sha256)
    with pytest.raises(Exception):  # noqa: B017, PT011 - it is no batch
        load_data(source_of(archive))
    assert made.exists()


def test_unpacked_batches_are_not_read(archive: Path) -> None:
    """Only the archive counts: changes of the files beside it have no effect."""
    folder = archive.parent / FOLDER
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert len(load_data(source_of(archive)).train_x) == 5 * IMAGES


def test_the_published_checksum_is_the_one_of_the_archive_that_torchvision_downloads() -> None:
    assert cifar10.SHA256 == "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    assert torchvision_compat.datasets().CIFAR10.filename == cifar10.ARCHIVE


def test_a_folder_in_the_place_of_the_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").mkdir()
    assert "Is a directory" in refusal(DataSource("cifar10", str(tmp_path)))


# The download


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def published(
    archive: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The small archive on a web server, from which torchvision downloads it."""
    place = tmp_path_factory.mktemp("server") / archive.name
    archive.rename(place)
    kind = torchvision_compat.datasets().CIFAR10
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=place.parent)) as server:
        monkeypatch.setattr(kind, "url", f"http://127.0.0.1:{server.server_port}/{place.name}")
        monkeypatch.setattr(kind, "tgz_md5", md5(place.read_bytes()))
        Thread(target=server.serve_forever, args=[0.01]).start()
        yield place
        server.shutdown()


def test_it_is_downloaded_once(published: Path, tmp_path: Path) -> None:
    source = DataSource("cifar10", str(tmp_path / "new"))
    first = load_data.__wrapped__(source)
    assert (tmp_path / "new" / published.name).read_bytes() == published.read_bytes()
    published.unlink()
    assert torch.equal(load_data.__wrapped__(source).train_x, first.train_x)


def test_without_a_network_a_line_says_where_the_archive_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "http://127.0.0.1:1/cifar-10-python.tar.gz"
    monkeypatch.setattr(torchvision_compat.datasets().CIFAR10, "url", nowhere)
    reason = refusal(DataSource("cifar10", str(tmp_path)))
    assert "Connection refused" in reason


def test_a_download_that_is_not_the_archive_leaves_nothing(published: Path, tmp_path: Path) -> None:
    published.write_bytes(published.read_bytes()[:-1])
    assert refusal(DataSource("cifar10", str(tmp_path))) == "File not found or corrupted."
    assert [path.name for path in tmp_path.iterdir()] == [".fetch.lock"]


def test_a_run_is_read_again_from_its_own_folder_only_where_the_archive_is(archive: Path) -> None:
    assert as_found_here(source_of(archive)) == source_of(archive)
    archive.unlink()
    assert as_found_here(source_of(archive)) == DataSource("cifar10")
