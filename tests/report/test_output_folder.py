"""A report replaces an earlier one at once: whatever happens, one of them is there, whole."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actscope.report import output_folder
from actscope.report.output_folder import add_files, recover, replace_report
from tests.report.test_report import contents

OLD = {"index.html": b"old", "manifest.json": b"{}", "figures/a.png": b"old", "tables/a.csv": b"1"}
NEW = {"index.html": b"new", "manifest.json": b"{ }", "figures/b.png": b"new"}

# Makes a report, and is killed at the nth call of these functions that change a folder.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from actscope.report import output_folder
left = int(sys.argv[2])

def counted(function):
    def call(*arguments, **settings):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **settings)
    return call

for name in ("write_bytes", "rename"):
    setattr(Path, name, counted(getattr(Path, name)))
shutil.copytree, shutil.rmtree = counted(shutil.copytree), counted(shutil.rmtree)
can_exchange = sys.argv[3] == "True"
output_folder._exchange = counted(output_folder._exchange) if can_exchange else lambda *_: False
new = {"index.html": b"new", "manifest.json": b"{ }", "figures/b.png": b"new"}
output_folder.replace_report(new, Path(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    replace_report(OLD, tmp_path / "mine")
    return tmp_path / "mine"


def others_beside(folder: Path) -> set[str]:
    return {path.name for path in folder.parent.iterdir()} - {folder.name, f".{folder.name}.lock"}


def test_a_new_report_leaves_nothing_of_the_old_one(folder: Path) -> None:
    replace_report(NEW, folder)
    assert contents(folder) == NEW
    assert others_beside(folder) == set()


def test_a_reader_s_own_files_stay(folder: Path) -> None:
    own = {
        "notes.txt": b"mine",
        "mine/figures/a.png": b"mine",
        "figures/notes.md": b"mine",
        "figures/a/b/c.png": b"mine",
        "tables/mine.xlsx": b"mine",
    }
    add_files(own, folder)
    (folder / "link").symlink_to("notes.txt")
    (folder / "notes.txt").chmod(0o600)
    replace_report(NEW, folder)
    assert contents(folder) == {**NEW, **own, "link": b"mine"}
    assert (folder / "link").is_symlink()
    assert (folder / "notes.txt").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_no_report_s_keeps_all_that_is_in_it(tmp_path: Path) -> None:
    own = {"figures/mine.png": b"mine", "index.html": b"mine"}
    add_files(own, tmp_path / "mine")
    replace_report(NEW, tmp_path / "mine")
    assert contents(tmp_path / "mine") == {**own, **NEW}


def test_a_link_to_a_folder_elsewhere_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine").symlink_to("elsewhere")
    replace_report(OLD, tmp_path / "mine")
    replace_report(NEW, tmp_path / "mine")
    assert (tmp_path / "mine").is_symlink()
    assert contents(tmp_path / "elsewhere") == NEW


# Copies of three folders, three files, an exchange or two renames, and removals.
@pytest.mark.parametrize(("can_exchange", "last"), [(True, 9), (False, 10)])
@pytest.mark.parametrize("calls", range(11))
def test_a_kill_at_any_moment_leaves_one_report_whole(
    folder: Path, calls: int, can_exchange: bool, last: int
) -> None:
    words = [str(folder), str(calls), str(can_exchange)]
    ended = subprocess.run([sys.executable, "-c", KILLED, *words], check=False)
    assert ended.returncode == (-signal.SIGKILL if calls < last else 0)
    if can_exchange or folder.exists():
        assert contents(folder) in (OLD, NEW)
    recover(folder)
    assert contents(folder) in (OLD, NEW)
    assert others_beside(folder) == set()
    replace_report(NEW, folder)
    assert contents(folder) == NEW


@pytest.mark.parametrize("place", ["write_bytes", "rename"])
@pytest.mark.parametrize("calls", [0, 1])
def test_a_full_disk_leaves_the_old_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str, calls: int
) -> None:
    if place == "rename":
        monkeypatch.setattr(output_folder, "_exchange", lambda *_: False)
    before = getattr(Path, place)
    left = [calls]

    def full(path: Path, argument: Any) -> Any:
        left[0] -= 1
        if left[0] == -1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return before(path, argument)

    monkeypatch.setattr(Path, place, full)
    with pytest.raises(OSError, match="No space left"):
        replace_report(NEW, folder)
    assert contents(folder) == OLD
    assert others_beside(folder) == set()


def test_two_reports_at_once_leave_one_of_them_whole(folder: Path) -> None:
    many = "{f'figures/{n}.png': bytes([%d]) * 10000 for n in range(300)}"
    code = (
        "import sys; from pathlib import Path; "
        "from actscope.report.output_folder import replace_report; "
        f"replace_report({{'manifest.json': b'', **{many}}}, Path(sys.argv[1]))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code % number, str(folder)]) for number in (1, 2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    found = contents(folder)
    assert len(found) == 301
    assert len({data for name, data in found.items() if name != "manifest.json"}) == 1
    assert others_beside(folder) == set()


def test_a_report_that_another_is_at_for_too_long_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_folder, "SECONDS_FOR_A_LOCK", 0.1)
    with output_folder._alone(folder), pytest.raises(OSError, match="could not be acquired"):
        replace_report(NEW, folder)
    assert contents(folder) == OLD


def test_a_figure_that_was_cut_short_is_removed_with_the_next_report(folder: Path) -> None:
    (folder / "figures" / ".a.png.part").write_bytes(b"half")
    replace_report(NEW, folder)
    assert contents(folder) == NEW
