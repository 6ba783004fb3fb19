"""Makes the database of a local store, as MLflow does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from actscope.runtime import startup
from actscope.setting_types import MLFLOWS_OWN
from actscope.tracking.location import SQLITE
from actscope.tracking.schema import TESTED_SCHEMAS, installed_schema, script_of
from actscope.tracking.sqlite_rows import make_tables

ARTIFACTS = "artifacts"  # the folder next to the database
LOCK = ".create.lock"
NEW = ".new-"  # prefix of the folder in which a database is made
SECONDS_FOR_A_LOCK = 90.0


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other processes from making a database or an experiment at the same time."""
    with FileLock(folder / LOCK, timeout=SECONDS_FOR_A_LOCK):
        yield


def create_if_missing(path: Path) -> None:
    """Make the database in a folder of its own, so that a killed process leaves no half of it."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with only_one(path.parent):
        if path.exists():
            return
        for left in path.parent.glob(f"{NEW}*"):
            shutil.rmtree(left)
        with TemporaryDirectory(prefix=NEW, dir=path.parent) as folder:
            new = Path(folder) / path.name
            make_database(new, path.parent / ARTIFACTS / MLFLOWS_OWN)
            new.rename(path)


def make_database(path: Path, default_artifacts: Path) -> None:
    """Make an empty database as MLflow does.

    MLflow repeats the history of its schema, which takes seconds. So it makes a database itself
    only if its schema is not a tested one.
    `default_artifacts`: the folder of the experiment `Default`.
    """
    newest = installed_schema()
    if newest in TESTED_SCHEMAS:
        make_tables(path, script_of(newest), default_artifacts.as_uri())
        return
    with startup.without_gc():
        from mlflow import MlflowClient

    MlflowClient(tracking_uri=f"{SQLITE}{path}").search_experiments(max_results=1)
