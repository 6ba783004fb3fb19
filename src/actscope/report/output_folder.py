"""Replace a report's folder so that the earlier report stays complete until the new one is.

A report is written into a new folder, `.NAME.new`, next to its place. Then both folders exchange
their names in one step, and the earlier report is removed. Where the system cannot do that, the
earlier one becomes `.NAME.old` first. A process that is killed between these two renames leaves no
folder of that name; the next command puts the earlier one back.
"""

import ctypes
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

MANIFEST = "manifest.json"
PAGES = ["index.html", "explore.html", MANIFEST]
DRAWN = {"figures": (".png", ".svg"), "tables": (".csv", ".md", ".tex")}  # and in their sub-folders
PART = ".part"  # the ending of a file's name until it is complete
SECONDS_FOR_A_LOCK = 90.0
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux: fcntl.h, linux/fs.h


def replace_report(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a report in place of an earlier one; other files in its folder stay.

    Raises:
        OSError: it cannot be written; the earlier one is unchanged.

    """
    folder = folder.resolve()  # a symbolic link stays one
    new, old = _beside(folder, "new"), _beside(folder, "old")
    with _alone(folder):
        _recover(folder)
        try:
            _keep_others(folder, new)
            for name, data in files.items():
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                (new / name).write_bytes(data)
            if not (folder.exists() and _exchange(new, folder)):
                if folder.exists():
                    folder.rename(old)
                new.rename(folder)
        except BaseException:
            _recover(folder)
            raise
        for earlier in (new, old):
            shutil.rmtree(earlier, ignore_errors=True)  # the next report removes the rest


def add_files(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write files into a report's folder; returns their paths.

    Raises:
        OSError: they cannot be written.

    """
    paths = [folder / name for name in files]
    with _alone(folder.resolve()):
        for path, data in zip(paths, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}{PART}")
            part.write_bytes(data)
            part.replace(path)
    return paths


def recover(folder: Path) -> None:
    """Put back an earlier report and remove half-written files after a process was killed.

    The folder above is made, so that a wrong one is found before the report is drawn.

    Raises:
        OSError: the folder cannot be written.

    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    if any(_beside(folder, stage).exists() for stage in ("new", "old")):
        with _alone(folder):
            _recover(folder)


def _recover(folder: Path) -> None:
    """`recover` for the process that has the lock, so that no other process is writing."""
    new, old = _beside(folder, "new"), _beside(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    for left in (new, old):
        if left.exists():
            shutil.rmtree(left)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders in one step (Linux, `man 2 renameat2`); whether the system can."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    names = (AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second))
    return rename is not None and rename(*names, RENAME_EXCHANGE) == 0


def _keep_others(folder: Path, new: Path) -> None:
    """Make the new folder with the old one's files, except those of its report if it has one."""
    is_report = (folder / MANIFEST).exists()

    def own(place: str, names: list[str]) -> set[str]:
        inside = Path(place).relative_to(folder)
        return {name for name in names if is_report and _is_own(folder, inside / name)}

    if folder.exists():
        shutil.copytree(folder, new, symlinks=True, ignore=own)
    else:
        new.mkdir()


def _is_own(folder: Path, name: Path) -> bool:
    """Whether a report could write a file of this name."""
    if (folder / name).is_dir():
        return False
    if len(name.parts) == 1:
        return str(name) in PAGES
    return len(name.parts) <= 3 and name.suffix in (*DRAWN.get(name.parts[0], ()), PART)


def _beside(folder: Path, stage: str) -> Path:
    return folder.with_name(f".{folder.name}.{stage}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time change a folder; the others wait."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_beside(folder, "lock"), timeout=SECONDS_FOR_A_LOCK):
        yield
