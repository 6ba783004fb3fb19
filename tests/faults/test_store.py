"""A store that is full, read-only, locked, damaged or unreachable: one line, nothing is lost."""

import hashlib
import importlib.util
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
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
from actscope.errors import StoreError
from actscope.project import ROOT
from actscope.tracking import local_store, new_database, timeouts
from tests.faults.conftest import TINY, TWO, Command
from tests.support.network import fetch, free_port, wait_until_up

pytestmark = pytest.mark.slow

MOVE_AWAY = "restore a copy of it, or rename it and run again"


def runs_of(database: Path) -> pd.DataFrame:
    store = tracking.locate_store(Tracking(f"sqlite:///{database}"))
    return tracking.read_runs(store, "quickstart")


def finished_seeds(database: Path) -> list[str]:
    """Seeds of the finished runs, each of which has its artifacts."""
    store = tracking.locate_store(Tracking(f"sqlite:///{database}"))
    runs = runs_of(database).query("status == 'FINISHED'")
    for run_id in runs["run_id"]:
        assert len(tracking.read_history(store, "quickstart", run_id)) > 0
    return sorted(runs["params.seed"])


def content_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Disks that are full, or must not be written to


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """Mount something on a file or folder, or skip the test where that is not permitted."""
    try:
        subprocess.run(["mount", *options, str(place)], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted here: {getattr(error, 'stderr', error)}")
    try:
        yield
    finally:
        # Lazily: this process has the database open until it ends.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def mount_small(folder: Path, kilobytes: int) -> AbstractContextManager[None]:
    folder.mkdir()
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


def test_a_full_disk_costs_nothing_that_was_finished(
    command: Command, database: Path, sound: Path
) -> None:
    folder = database.parent
    with mount_small(folder, 3000):
        shutil.copy(sound, database)
        assert command("sweep", "-m", "seed=0", *TINY).code == 0
        for kilobytes in (0, 60, 120):  # before the sweep, while it begins, while it logs a run
            filler = fill(folder, but=kilobytes)
            ended = command("sweep", *TWO)
            if ended.code == 0:  # there was room to keep what the store has refused
                assert "queued: 1 results in" in ended.out
            else:
                assert "cannot be written: " in ended.err
                assert "disk is full. Free" in ended.err or f"{folder} is full. Free" in ended.err
            assert "Traceback" not in ended.out + ended.err
            assert finished_seeds(database) == ["0"]
            if kilobytes == 0:
                assert ended.code == 1
                assert command("report").code == 0
            filler.unlink()
        assert command("sweep", *TWO).code == 0
        assert finished_seeds(database) == ["0", "1"]
        assert not (runs_of(database)["status"] == "RUNNING").any()


def test_a_full_disk_is_one_line_of_the_process_too(
    process: Command, database: Path, sound: Path
) -> None:
    with mount_small(database.parent, 3000):
        shutil.copy(sound, database)
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


@pytest.mark.parametrize("place", [".", "mlflow.db", "artifacts"])
def test_what_is_read_only_is_refused_before_training(
    command: Command, made: Path, place: str
) -> None:
    (made.parent / "artifacts").mkdir()
    before = content_of(made.parent)
    with read_only(made.parent / place):
        ended = command("sweep", *TWO)
        line = ended.refused(1)
        assert f"cannot be written: {(made.parent / place).resolve()} is read-only" in line
        assert "tracking.uri=sqlite:" in line
        assert "stacks" not in ended.out
    assert content_of(made.parent) == before


def test_a_report_needs_no_more_than_to_read(command: Command, made: Path, home: Path) -> None:
    assert command("sweep", "-m", "seed=0", *TINY).code == 0
    before = content_of(made.parent)
    with read_only(made.parent):
        ended = command("report", f"report.folder={home}/written")
        quiet = command("report", f"report.folder={home}/written", "report.attach=false")
    assert (quiet.code, quiet.err) == (0, "")
    assert ended.code == 0
    (line,) = ended.err.splitlines()
    assert line.startswith("actscope: cannot attach the report to its sweep: ")
    assert f"{made.parent} is read-only" in line
    assert (home / "written" / "quickstart" / "index.html").exists()
    assert content_of(made.parent) == before


def test_the_ui_needs_no_more_than_to_read(command: Command, made: Path, home: Path) -> None:
    assert command("sweep", "-m", "seed=0", *TINY).code == 0
    with read_only(made.parent), (home / "ui.txt").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "actscope", "ui", "--port", str(port := free_port())],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_up(f"http://127.0.0.1:{port}")
            page = fetch(
                f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow/experiments/get?experiment_id=1"
            )
        finally:
            server.terminate()
            server.wait(timeout=20)
    assert b"quickstart" in page


# Databases that another process locks


# Locks once so many runs are open, until a file tells of something.
LOCKER = """
import pathlib, sqlite3, sys, time
path, runs, told, until = sys.argv[1:]
database = sqlite3.connect(path, timeout=30, isolation_level=None)
opened = "SELECT count(*) FROM runs WHERE status = 'RUNNING'"
while database.execute(opened).fetchone()[0] < int(runs):
    time.sleep(0.01)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
while not (until and pathlib.Path(told).exists() and until in pathlib.Path(told).read_text()):
    time.sleep(0.1)
"""


@contextmanager
def locked(
    database: Path, until: str = "", told_in: Path | None = None, runs: int = 0
) -> Iterator[None]:
    """Another process has the database for itself, from the start or once `runs` are open."""
    words = [sys.executable, "-c", LOCKER, str(database), str(runs), str(told_in or ""), until]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        try:
            if runs == 0:
                assert other.stdout.readline() == "locked\n"
            yield
        finally:
            other.kill()


def test_a_lock_is_waited_for(command: Command, made: Path, home: Path) -> None:
    with locked(made, "is locked by another process: waiting", home / "tmp" / "out.txt"):
        ended = command("sweep", *TWO)
    assert (ended.code, ended.err) == (0, "")
    assert "is locked by another process: waiting" in ended.out
    assert finished_seeds(made) == ["0", "1"]


# MLflow waits 20 s for a lock
def test_a_lock_while_runs_are_logged_keeps_them_for_a_moment(
    command: Command, made: Path, home: Path
) -> None:
    words = ("-m", "seed=0,1", *TINY, "train.epochs=100")
    with locked(made, "runs wait in", home / "tmp" / "out.txt", runs=2):
        ended = command("sweep", *words)
    assert (ended.code, ended.err) == (0, "")
    assert "queued results delivered" in ended.out
    assert "queued: " not in ended.out
    assert finished_seeds(made) == ["0", "1"]


def test_a_lock_that_stays_is_one_line(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (local_store, new_database):
        monkeypatch.setattr(module, "SECONDS_FOR_A_LOCK", 0.1)
    settings = Tracking(f"sqlite:///{made}")
    store = tracking.locate_store(settings)
    before = content_of(made.parent)
    with locked(made):
        for use in (
            lambda: tracking.open_store(settings),
            lambda: store.find_experiment("quickstart"),
        ):
            with pytest.raises(StoreError, match=r"locked by another process.*`fuser /.*again\.$"):
                use()
    assert content_of(made.parent) == before


# Files that are no store of this MLflow


def query(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_a_database_of_something_else(path: Path) -> None:
    path.unlink()
    query(path, "CREATE TABLE recipes (name TEXT)")


UPGRADE = "-m mlflow db upgrade sqlite:///"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "garbage": (lambda path: path.write_bytes(b"\x07garbage" * 999), "damaged or not a database"),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "folder": (become_a_folder, "it is a folder, not a file"),
    "cut": (cut_in_half, "damaged or not a database"),
    "foreign": (
        become_a_database_of_something_else,
        "incomplete or not MLflow's (missing tables: ",
    ),
    "lacks_a_table": (
        lambda path: query(path, "DROP TABLE latest_metrics"),
        "the database is incomplete or not MLflow's (missing tables: latest_metrics)",
    ),
    "no_version": (
        lambda path: query(path, "DELETE FROM alembic_version"),
        "incomplete or not MLflow's",
    ),
    "old": (
        lambda path: query(path, "UPDATE alembic_version SET version_num = '1bd49d398cd23'"),
        UPGRADE,
    ),
    "new": (
        lambda path: query(path, "UPDATE alembic_version SET version_num = 'fffffffffffff'"),
        UPGRADE,
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_store_is_told_and_left_as_it_is(
    command: Command, made: Path, damage: str
) -> None:
    break_it, reason = DAMAGES[damage]
    break_it(made)
    before = content_of(made.parent)
    names = ("sweep", "report", "ui") if damage == "garbage" else ("sweep",)
    lines = [command(name, *(TWO if name == "sweep" else ())).refused(1) for name in names]
    with pytest.raises(StoreError) as reading:
        tracking.locate_store(Tracking(f"sqlite:///{made}")).find_experiment("quickstart")
    for line in (*lines, f"actscope: {reading.value}"):
        assert f"the store {made} cannot be opened: " in line
        assert reason in line
        assert MOVE_AWAY in line
    assert content_of(made.parent) == before


def test_moving_a_damaged_store_away_is_a_way_out(command: Command, made: Path, home: Path) -> None:
    made.write_bytes(b"garbage")
    command("sweep", *TWO).refused(1)
    made.rename(home / "moved-away.db")
    assert command("sweep", *TWO).code == 0
    assert finished_seeds(made) == ["0", "1"]


def test_upgrading_the_store_of_an_older_mlflow_is_a_way_out(
    command: Command, database: Path
) -> None:
    database.parent.mkdir()
    make_as_an_older_mlflow_did(database)
    before = content_of(database.parent)
    line = command("sweep", *TWO).refused(1)
    assert UPGRADE in line
    assert content_of(database.parent) == before
    advice = shlex.split(line.split("`")[1])
    done = subprocess.run(advice, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert command("sweep", *TWO).code == 0
    assert finished_seeds(database) == ["0", "1"]


def make_as_an_older_mlflow_did(path: Path) -> None:
    """Make a database with the schema that MLflow had one change ago."""
    engine = create_engine(f"sqlite:///{path}")
    InitialBase.metadata.create_all(engine)
    config = _get_alembic_config(str(engine.url))  # type: ignore[no-untyped-call]
    scripts = alembic.script.ScriptDirectory.from_config(config)
    head = scripts.get_revision(scripts.get_current_head() or "")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, str(head.down_revision))
    engine.dispose()


def test_a_creation_that_is_killed_leaves_no_half_store(
    command: Command, database: Path, home: Path
) -> None:
    words = [sys.executable, "-m", "actscope", *TWO, f"hydra.sweep.dir={home}/outputs/killed"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as creating:
        while not list(database.parent.glob(".new-*/mlflow.db")):
            assert creating.poll() is None
            time.sleep(0.005)
        creating.kill()
    assert not database.exists()
    assert command("sweep", *TWO).code == 0
    assert finished_seeds(database) == ["0", "1"]
    assert not list(database.parent.glob(".new-*"))


# Old directory stores, odd places, other kinds of address


def test_an_old_directory_store_is_left_alone(
    command: Command, database: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = home / "old" / "mlruns"
    for experiment in ("0", "123456789012345678"):
        for folder in (database.parent / experiment, old / experiment):
            folder.mkdir(parents=True)
            (folder / "meta.yaml").write_text(f"experiment_id: '{experiment}'\nname: old\n")
    before = content_of(old)
    monkeypatch.chdir(old.parent)  # where MLflow would look for a store if it were not told of one
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    where = f"tracking.uri=sqlite:///{database}"
    assert command("sweep", *TWO, where).code == 0
    assert command("report", where).code == 0
    assert content_of(old) == before
    assert content_of(old).items() <= content_of(database.parent).items()


def test_a_folder_that_is_missing_is_made(home: Path) -> None:
    path = home / "a" / "b" / "mlflow.db"
    tracking.open_store(Tracking(f"sqlite:///{path}"))
    assert path.exists()


def test_a_folder_that_cannot_be_made_is_one_line(command: Command, home: Path) -> None:
    (home / "file").touch()
    line = command("sweep", *TWO, f"tracking.uri=sqlite:///{home}/file/mlruns/mlflow.db").refused(1)
    assert f"the store {home}/file/mlruns/mlflow.db cannot be used: " in line
    assert "Not a directory" in line
    (home / "closed").mkdir()
    with read_only(home / "closed"):
        inside = f"tracking.uri=sqlite:///{home}/closed/mlruns/mlflow.db"
        assert "read-only" in command("sweep", *TWO, inside).refused(1)
        assert "no store" in command("report", inside).refused(1)


@pytest.mark.parametrize(
    "uri", ["sqlite:/runs.db", "sqlite:runs.db", "sqlite://", "sqlite:///", "sqlite:///:memory:"]
)
def test_an_address_without_a_file_is_refused(uri: str) -> None:
    with pytest.raises(StoreError, match=r"sqlite:////folder/mlflow\.db"):
        tracking.locate_store(Tracking(uri))


@pytest.mark.parametrize(("scheme", "module"), [("mysql", "MySQLdb"), ("postgresql", "psycopg")])
def test_a_database_without_its_driver_is_one_line(scheme: str, module: str) -> None:
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    with pytest.raises(StoreError) as error:
        tracking.open_store(Tracking(f"{scheme}://me:secret@127.0.0.1:9/runs"))
    assert "secret" not in str(error.value)
    assert re.fullmatch(
        rf"the store \S+ needs the Python module {module}\w*: install it\.", str(error.value)
    )


def test_a_server_that_is_not_there_is_one_line_soon(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    for name, words in {"sweep": TWO, "report": ()}.items():
        begun = time.monotonic()
        line = command(name, *words).refused(1)
        assert time.monotonic() - begun < 30
        assert (
            "the store http://127.0.0.1:9 does not answer ([Errno 111] Connection refused" in line
        )
    assert "The store is the server http://127.0.0.1:9" in command("ui").refused(1)


def test_a_server_that_says_nothing_is_one_line_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(timeouts.BRIEFLY, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Tracking(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(StoreError, match=r"does not answer \(timed out\): start it, or"):
            tracking.open_store(settings)
