"""A zip archive with a manifest of hashes. The same files give the same bytes.

An archive may come from anyone, so nothing in it is used before all of it was checked.
"""

import hashlib
import stat
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from unicodedata import normalize
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from actscope.errors import BundleError, first_line
from actscope.setting_types import CLOSED, StudyName
from actscope.tracking.run_record import (
    FORMAT,
    Id,
    Sha256,
    canonical,
    check_format,
    first_mistake,
    safe_path,
)

MANIFEST = "manifest.json"
MOST_BYTES = 16 * 2**30  # of all files unpacked
MOST_JSON = 64 * 2**20  # of one file that is read as a whole
CHUNK = 2**20
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # today's date would make each archive differ
TEXTS = (".json", ".jsonl", ".txt", ".yaml")  # all other files are compressed already
# Errors from reading a damaged archive.
DAMAGE = (
    *(BadZipFile, zlib.error, struct.error, EOFError),
    *(NotImplementedError, OverflowError, ValueError, OSError),
)
IS_ENCRYPTED = 0x1  # a flag of zip's


@dataclass(frozen=True, config=CLOSED)
class File:
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=CLOSED)
class Manifest:
    """The contents of an archive. `runs`, `sweeps`: ids. `left_out`: other runs by status."""

    study: StudyName
    version: str
    commit: str
    dirty: str
    runs: tuple[Id, ...]
    sweeps: tuple[Id, ...]
    left_out: dict[str, int]
    files: dict[Annotated[str, AfterValidator(safe_path)], File]
    format: Literal[1] = FORMAT


ADAPTER = TypeAdapter(Manifest)


class Writer:
    """Adds files to a new archive and lists them for the manifest."""

    def __init__(self, archive: ZipFile) -> None:
        self.archive = archive
        self.files: dict[str, File] = {}

    def add_file(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self._add(name, path.stat().st_size, iter(lambda: file.read(CHUNK), b""))

    def add_text(self, name: str, text: str) -> None:
        content = text.encode()
        self._add(name, len(content), iter([content]))

    def _add(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        info = ZipInfo(name, ZIP_EPOCH)
        info.create_system = 3  # Unix, on every system
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        info.compress_type = ZIP_DEFLATED if name.endswith(TEXTS) else ZIP_STORED
        info.file_size = size
        digest = hashlib.sha256()
        with self.archive.open(info, "w") as entry:
            for chunk in chunks:
                digest.update(chunk)
                entry.write(chunk)
        self.files[name] = File(digest.hexdigest(), size)

    def close(self, manifest: Manifest) -> None:
        """Write the manifest of the files that were added."""
        self.add_text(MANIFEST, canonical(ADAPTER.dump_python(manifest)))


class Reader:
    """An archive whose names, sizes and manifest are checked; each file is checked when it is read.

    Raises:
        BundleError: it is damaged, unsafe, not a bundle or of an unknown format.

    """

    def __init__(self, path: Path, archive: ZipFile) -> None:
        self.path = path
        self.archive = archive
        sizes = {entry.filename: _checked_size(path, entry) for entry in archive.infolist()}
        _check_names(path, archive.namelist())
        if sum(sizes.values()) > MOST_BYTES:
            raise BundleError(f"{path}: unpacks to more than {MOST_BYTES / 2**30:g} GiB")
        if MANIFEST not in sizes:
            raise BundleError(f"{path}: has no {MANIFEST}, so it is not a bundle of actscope")
        size = sizes.pop(MANIFEST)
        self.manifest = _manifest(path, b"".join(self._chunks(MANIFEST, size, MOST_JSON)))
        _check_sizes(path, sizes, self.manifest)

    def verify(self, on_bytes: Callable[[int], None]) -> None:
        """Check every file against its hash, or raise BundleError."""
        for name in self.manifest.files:
            for chunk in self._verified(name):
                on_bytes(len(chunk))

    def read(self, name: str) -> bytes:
        """Content of a JSON file."""
        return b"".join(self._verified(name, MOST_JSON))

    def extract(self, name: str, target: Path) -> None:
        """Write a file to a path. The caller makes sure that the path is safe."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            file.writelines(self._verified(name))

    def where(self, name: str) -> str:
        return f"{self.path}: {name}"

    def _verified(self, name: str, most: int = MOST_BYTES) -> Iterator[bytes]:
        """Content of a file in parts; raises BundleError after the last if the hash differs."""
        expected = self.manifest.files[name]
        digest = hashlib.sha256()
        for chunk in self._chunks(name, expected.size, most):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != expected.sha256:
            raise BundleError(f"{self.where(name)}: its SHA-256 differs from the one in {MANIFEST}")

    def _chunks(self, name: str, size: int, most: int) -> Iterator[bytes]:
        if size > most:
            raise BundleError(f"{self.where(name)}: has more than {most // 2**20} MiB")
        left = size
        try:
            with self.archive.open(name) as entry:
                while left > 0 and (chunk := entry.read(min(CHUNK, left))):
                    left -= len(chunk)
                    yield chunk
                is_whole = left == 0 and not entry.read(1)
        except DAMAGE as error:
            raise BundleError(f"{self.where(name)}: is damaged ({first_line(error)})") from error
        if not is_whole:
            raise BundleError(
                f"{self.where(name)}: its size differs from the one in the archive's directory"
            )


@contextmanager
def open_archive(path: Path) -> Iterator[Reader]:
    """Open an archive and check its names, sizes and manifest.

    Raises:
        BundleError: there is no such file, or as for Reader.

    """
    try:
        archive = ZipFile(path)
    except DAMAGE as error:
        if isinstance(error, OSError):
            raise BundleError(f"{path}: cannot be opened: {error.strerror or error}") from error
        raise BundleError(f"{path}: is not a complete zip archive ({error})") from error
    with archive:
        yield Reader(path, archive)


def _checked_size(path: Path, entry: ZipInfo) -> int:
    """Size of an entry, or BundleError unless it is a plain file with a safe name."""
    try:
        # orig_filename too: zipfile cuts filename at a NUL byte.
        safe_path(entry.orig_filename)
        safe_path(entry.filename)
    except ValueError as error:
        raise BundleError(f"{path}: {error}") from None
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise BundleError(f"{path}: {entry.filename}: is a link or device, not a file")
    if entry.flag_bits & IS_ENCRYPTED or entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise BundleError(
            f"{path}: {entry.filename}: is encrypted, or compressed in an unknown way"
        )
    return entry.file_size


def _check_names(path: Path, names: Sequence[str]) -> None:
    """Raise BundleError where two names collide, on any system."""
    times = Counter(normalize("NFKC", name).casefold() for name in names)
    for name in times:
        if times[name] > 1:
            raise BundleError(f"{path}: {name}: occurs {times[name]} times")
        for folder in PurePosixPath(name).parents:
            if str(folder) in times:
                raise BundleError(f"{path}: {folder}: is both a file and a folder")


def _manifest(path: Path, text: bytes) -> Manifest:
    where = f"{path}: {MANIFEST}"
    check_format(text, where)
    try:
        return ADAPTER.validate_json(text)
    except ValidationError as error:
        raise BundleError(f"{where}: {first_mistake(error)}") from None


def _check_sizes(path: Path, sizes: Mapping[str, int], manifest: Manifest) -> None:
    for name in sorted(sizes.keys() | manifest.files.keys()):
        if name not in manifest.files:
            raise BundleError(f"{path}: {name}: is not in {MANIFEST}")
        if name not in sizes:
            raise BundleError(f"{path}: {name}: is in {MANIFEST}, but not in the archive")
        if sizes[name] != manifest.files[name].size:
            raise BundleError(f"{path}: {name}: its size differs from the one in {MANIFEST}")
