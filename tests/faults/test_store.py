"""A store on a full or read-only disk, locked, damaged or away: a line says so, and nothing is lost."""

import hashlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import alembic.command
import alembic.script
import pandas as pd
import pytest
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from sqlalchemy import create_engine

from actscope import tracking
from actscope.config import Tracking
from actscope.tracking import store as store_module
from tests.faults.conftest import TINY, TWO, Command

MOVE_AWAY = "put a copy of it back, or move it away and run again"


def runs_of(database: Path) -> pd.DataFrame:
    store = tracking.locate_store(Tracking(f"sqlite:///{database}"))
    return tracking.read_runs(store, "quickstart")


def finished_seeds(database: Path) -> list[str]:
    """Seeds of the finished runs, each of which has its artifacts."""
    store = tracking.locate_store(Tracking(f"sqlite:///{database}"))
    runs = runs_of(database).query("status == 'FINISHED'")
    for run_id in runs["run_id"]:
        assert len(tracking.read_history(store, "quickstart", run_id)) > 0
    return sorted(runs["seed"])


def content_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Disks that are full, or must not be written to


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something on a folder, or skip the test where that is not permitted."""
    folder.mkdir(exist_ok=True)
    try:
        subprocess.run(["mount", *options, str(folder)], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted here: {getattr(error, 'stderr', error)}")
    try:
        yield
    finally:
        # Lazily: this process has the database open until it ends.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount_small(folder: Path, kilobytes: int) -> AbstractContextManager[None]:
    return mounted(folder, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs")


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Nobody, not even root, may write to a file or folder as long as the context lasts."""
    with mounted(place, "--bind", str(place)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
        yield


def fill(folder: Path, *, but: int) -> Path:
    """Fill up a disk, but for some kilobytes; the file that does is to be removed."""
    filler = folder / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(folder).free - 1024 * but))
    return filler


def test_a_full_disk_costs_nothing_that_was_finished(command: Command, database: Path) -> None:
    folder = database.parent
    with mount_small(folder, 3000):
        assert command("sweep", "-m", "seed=0", *TINY).code == 0
        for kilobytes in (0, 30, 60, 90):  # before the sweep, or while it logs its runs
            filler = fill(folder, but=kilobytes)
            line = command("sweep", *TWO).refused(1)
            assert f"cannot be written: the disk of {folder} is full; make room" in line
            assert finished_seeds(database) == ["0"]
            if kilobytes == 0:
                assert command("report").code == 0
            filler.unlink()
        assert command("sweep", *TWO).code == 0
        assert finished_seeds(database) == ["0", "1"]
        assert not (runs_of(database)["status"] == "RUNNING").any()


def test_a_full_disk_is_one_line_of_the_process_too(process: Command, database: Path) -> None:
    with mount_small(database.parent, 3000):
        tracking.open_store(Tracking(f"sqlite:///{database}"))
        fill(database.parent, but=0)
        line = process("sweep", *TWO, "hydra.launcher.workers=1").refused(1)
    assert "is full" in line


def test_no_room_for_a_new_store_leaves_no_half_of_one(command: Command, database: Path) -> None:
    folder = database.parent
    with mount_small(folder, 300):
        assert "is full" in command("sweep", *TWO).refused(1)
        assert [path.name for path in folder.iterdir()] == [".create.lock"]
        subprocess.run(["mount", "-o", "remount,size=3000k", str(folder)], check=True)
        assert command("sweep", *TWO).code == 0
        assert finished_seeds(database) == ["0", "1"]
