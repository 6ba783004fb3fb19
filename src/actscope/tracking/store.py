"""Where runs are kept: find a store, open it, find a study in it."""

import logging
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment, ViewType
from mlflow.store.db.base_sql_model import Base
from mlflow.store.db.utils import _get_latest_schema_revision

from actscope import credentials
from actscope.command_line import suggestions
from actscope.config import MLFLOWS_OWN, Tracking
from actscope.errors import MissingStudyError, StoreError
from actscope.project import ROOT
from actscope.runtime import startup
from actscope.tracking.errors import (
    ANEW,
    is_already_there,
    is_gone,
    is_unknown,
    read_only,
    store_errors,
)
from actscope.tracking.location import check_address

MLRUNS = ROOT / "mlruns"
SQLITE = "sqlite:///"
SERVERS = ("http", "https", "postgresql", "mysql")
LOCK = ".create.lock"
NEW = ".new-"  # how the folder begins in which a database is made
SECONDS_FOR_A_LOCK = 90.0
SECONDS_FOR_A_QUERY = 20.0  # as long as MLflow waits
# On the first call to a server. Later ones may take as long as the environment says.
BRIEFLY = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "8"}
ACTIVE = "active"  # MLflow's word for what is not in its trash

# They tell of every table of a fresh store and of every attempt to reach a server.
for talkative in ("alembic", "mlflow", "urllib3"):
    logging.getLogger(talkative).setLevel(logging.ERROR)
# It prints the traceback of what it raises.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store, by its URI. Cheap to make and to send to another process.

    `packs`: where tables of its runs lie on this machine that were fetched many at once.
    """

    uri: str
    packs: Path | None = None

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client; whatever goes wrong in it is a StoreError."""
        return cast(MlflowClient, _Client(self))

    def __reduce__(self) -> tuple[type["Store"], tuple[str, Path | None]]:
        return Store, (self.uri, self.packs)  # without the client: each process connects for itself

    @property
    def folder(self) -> Path | None:
        """Where a store on this machine keeps its files; None for a server."""
        return None if self.database is None else self.database.parent

    @property
    def home(self) -> Path:
        """Where what goes with it is kept on this machine: beside it, or in the project."""
        return MLRUNS if self.folder is None else self.folder

    @property
    def database(self) -> Path | None:
        """The SQLite file of a store on this machine; None for a server."""
        return Path(self.uri.removeprefix(SQLITE)) if self.uri.startswith(SQLITE) else None

    def __str__(self) -> str:
        return credentials.hide(self.uri) if self.database is None else str(self.database)

    def __repr__(self) -> str:
        return f"Store({str(self)!r})"


def locate_store(tracking: Tracking) -> Store:
    """Find the store that the settings name, or the project's own, without touching it.

    Raises:
        StoreError: the URI names a kind of store that MLflow no longer writes, or is not clear.

    """
    uri = tracking.uri or f"{SQLITE}{MLRUNS / 'mlflow.db'}"
    if uri.split(":", 1)[0] in SERVERS:
        if (flaw := credentials.find_flaw(uri)) is not None:
            raise StoreError(f"tracking.uri={credentials.hide(uri)}: {flaw}")
        return Store(uri)
    path = uri.removeprefix(SQLITE)
    if path in ("", ":memory:", uri):
        raise StoreError(
            f"tracking.uri={credentials.hide(uri)}: actscope keeps runs in SQLite "
            "(sqlite:////folder/mlflow.db) or on a server (http://...)"
        )
    return Store(f"{SQLITE}{ROOT / path}")


def open_store(tracking: Tracking, *, to_write: bool = True) -> Store:
    """Find the store and create it where it does not exist yet; safe from many processes at once.

    Raises:
        StoreError: it cannot be created or opened, or not written although it is to be.

    """
    store = locate_store(tracking)
    with store_errors(store):
        if store.database is not None:
            with startup.without_gc():  # else MLflow imports it where Ctrl-C may cut it short
                import_module("mlflow.store.tracking.sqlalchemy_store")
            _create_if_missing(store.database)
            _check_database(store, store.database)
            if to_write:
                check_writable(store, store.database)
        with _briefly():
            store.client.search_experiments(max_results=1)
    return store


def ensure_experiment(store: Store, study: str) -> str:
    """Id of the study's experiment, made if it is new."""
    if store.folder is None:
        try:
            return _get_or_create(store, study, None)
        except StoreError as error:
            if not is_already_there(error):
                raise
            return _get_or_create(store, study, None)
    with store_errors(store), _only_one(store.folder):
        return _get_or_create(store, study, (store.folder / "artifacts" / study).as_uri())


def find_experiment(store: Store, study: str) -> Experiment:
    """Look a study up; nothing is written.

    Raises:
        MissingStudyError: there is none, which tells those there are, or no store yet.
        StoreError: the store cannot be read, or the study is in MLflow's trash.

    """
    if store.database is not None:
        if not store.database.exists():
            raise missing_store(store)
        _check_database(store, store.database)
    with _briefly():
        found = store.client.get_experiment_by_name(study)
    if found is not None and found.lifecycle_stage != ACTIVE:
        raise _in_trash(store, study)
    if found is not None:
        return found
    there = ", ".join(studies(store)) or "none"
    raise MissingStudyError(f"study={study}: the store {store} has no such study; it has {there}")


def find_experiment_of(store: Store, run_id: str) -> str | None:
    """Id of the experiment that a run is in, deleted or not, if the store has both.

    None as well where the experiment itself was deleted.
    """
    try:
        run = store.client.get_run(run_id)
        experiment = store.client.get_experiment(run.info.experiment_id)
    except StoreError as error:
        if not is_unknown(error):
            raise
        return None
    return str(experiment.experiment_id) if experiment.lifecycle_stage == ACTIVE else None


def studies(store: Store, stage: int = ViewType.ACTIVE_ONLY) -> dict[str, str]:
    """Id of each study's experiment, by name; `stage`: DELETED_ONLY for those in MLflow's trash."""
    experiments = store.client.search_experiments(stage, order_by=["name ASC"])
    return {e.name: e.experiment_id for e in experiments if e.name != MLFLOWS_OWN}


def _in_trash(store: Store, study: str) -> StoreError:
    return StoreError(
        f"study={study}: was deleted and is in the trash of the store {store}. Restore it with "
        f"`{suggestions.command('doctor', f'study={study}', store=store)}`, or choose another name."
    )


def missing_store(store: Store) -> MissingStudyError:
    sweep = suggestions.command("sweep", store=store)
    return MissingStudyError(f"there is no store at {store} yet: `{sweep}` makes one")


@contextmanager
def connected(store: Store, seconds: float = SECONDS_FOR_A_QUERY) -> Iterator[sqlite3.Connection]:
    """The database of a store on this machine, past MLflow, which brings all of every run along."""
    assert store.database is not None
    # Not mode=ro: SQLite must be free to undo what a killed process has left half-written. A file
    # that is read-only is opened so all the same.
    address = f"{store.database.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=seconds)) as database:
        yield database


class _Client:
    """Does what MlflowClient does, and connects only then."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def _mlflow(self) -> MlflowClient:
        database = self._store.database
        if database is not None and not database.exists():
            raise is_gone(self._store)  # MLflow would make an empty one in its place
        return MlflowClient(tracking_uri=self._store.uri)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*arguments: Any, **settings: Any) -> Any:
            with store_errors(self._store):
                return getattr(self._mlflow, name)(*arguments, **settings)

        return call


_environment = threading.RLock()  # which all threads share


@contextmanager
def _briefly() -> Iterator[None]:
    """Let MLflow give up on a server soon: by default it asks one that is away for minutes."""
    with _environment:
        before = {name: os.environ.get(name) for name in BRIEFLY}
        os.environ.update(BRIEFLY)
        try:
            yield
        finally:
            for name, value in before.items():
                del os.environ[name]
                if value is not None:
                    os.environ[name] = value


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep other processes from making a database or an experiment at the same time."""
    with FileLock(folder / LOCK, timeout=SECONDS_FOR_A_LOCK):
        yield


def _create_if_missing(path: Path) -> None:
    """Make the database beside its place: what is killed half-way leaves none, not half a one."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(path.parent):
        if path.exists():
            return
        for left in path.parent.glob(f"{NEW}*"):
            shutil.rmtree(left)
        with TemporaryDirectory(prefix=NEW, dir=path.parent) as folder:
            new = Path(folder) / path.name
            _make_database(new)
            new.rename(path)


def _make_database(path: Path) -> None:
    """Have MLflow make it, as it does for whoever first asks for what is in it."""
    MlflowClient(tracking_uri=f"{SQLITE}{path}").search_experiments(max_results=1)


def _check_database(store: Store, path: Path) -> None:
    """Raise StoreError unless the file is what MLflow of this version would have made.

    MLflow itself adds tables that are missing, and would so write to a store that needs help.
    """
    with store_errors(store):
        if path.is_dir():
            raise StoreError(f"the store {store} cannot be opened: it is a folder, no file; {ANEW}")
        if path.stat().st_size == 0:
            raise StoreError(f"the store {store} cannot be opened: the file is empty; {ANEW}")
        tables, version = _read_schema(store)
    newest = _get_latest_schema_revision()  # type: ignore[no-untyped-call]
    missing = sorted(set(Base.metadata.tables) - tables)
    if version is None or (version == newest and missing):
        lacks = f"{', '.join(missing[:3])}{', ...' if missing[3:] else ''}"
        raise StoreError(
            f"the store {store} cannot be opened: it was made only in part, or is not MLflow's "
            f"(it lacks the tables {lacks or 'of versions'}); {ANEW}"
        )
    if version != newest:
        raise StoreError(
            f"the store {store} cannot be opened: another version of MLflow made it (schema "
            f"{version}, here {newest}); keep a copy and bring it up to date with "
            f"`{suggestions.python('-m', 'mlflow', 'db', 'upgrade', store.uri)}`, or {ANEW}"
        )


def _read_schema(store: Store) -> tuple[set[str], str | None]:
    """Names of a database's tables and the version of MLflow's schema; waits for a lock to go."""
    try:
        return _query_schema(store, 1.0)
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
    log.warning("the store %s is locked by another process: waiting until it is free", store)
    return _query_schema(store, SECONDS_FOR_A_LOCK)


def _query_schema(store: Store, seconds: float) -> tuple[set[str], str | None]:
    with connected(store, seconds) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if "alembic_version" not in tables:
            return tables, None
        row = database.execute("SELECT version_num FROM alembic_version").fetchone()
        return tables, None if row is None else str(row[0])


def check_writable(store: Store, path: Path) -> None:
    """Raise StoreError unless this user may write to the database and where artifacts go."""
    for place in (path.parent, path, path.parent / "artifacts"):
        if place.exists() and not os.access(place, os.W_OK):
            raise read_only(store, place)


def _get_or_create(store: Store, study: str, artifact_location: str | None) -> str:
    found: Experiment | None = store.client.get_experiment_by_name(study)
    if found is None:
        return str(store.client.create_experiment(study, artifact_location))
    if found.lifecycle_stage != ACTIVE:
        raise _in_trash(store, study)
    doctor = suggestions.command("doctor", f"study={study}", store=store)
    check_address(study, found.artifact_location, store.folder, doctor)
    return str(found.experiment_id)
