"""Where runs are kept: find a store, open it, find a study in it."""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from actscope.config import Tracking
from actscope.errors import MissingStudyError, StoreError, first_line
from actscope.project import ROOT

# mlflow lets SQLAlchemy's own errors through while it opens a database.
STORE_ERRORS = (OSError, MlflowException, SQLAlchemyError)

SQLITE = "sqlite:///"

# They tell of every table of a fresh store and of every attempt to reach a server.
for talkative in ("alembic", "mlflow", "urllib3"):
    logging.getLogger(talkative).setLevel(logging.ERROR)


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store, by its URI. Cheap to make and to send to another process."""

    uri: str

    @cached_property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return Store, (self.uri,)  # without the client: each process connects for itself

    @property
    def folder(self) -> Path | None:
        """Where a store on this machine keeps its files; None for a server."""
        return Path(self.uri.removeprefix(SQLITE)).parent if self.uri.startswith(SQLITE) else None

    def __str__(self) -> str:
        return self.uri.removeprefix(SQLITE)


def locate_store(tracking: Tracking) -> Store:
    """Find the store that the settings name, or the project's own, without touching it.

    Raises:
        StoreError: the URI names a kind of store that MLflow no longer writes.

    """
    uri = tracking.uri or f"{SQLITE}{ROOT / 'mlruns' / 'mlflow.db'}"
    scheme = uri.split(":", 1)[0]
    if scheme not in ("sqlite", "http", "https", "postgresql", "mysql"):
        raise StoreError(
            f"tracking.uri={uri}: actscope keeps runs in SQLite (sqlite:////folder/mlflow.db) "
            "or on a server (http://...)"
        )
    if uri.startswith(SQLITE) and not uri.startswith(f"{SQLITE}/"):
        uri = f"{SQLITE}{ROOT / uri.removeprefix(SQLITE)}"
    return Store(uri)


def open_store(tracking: Tracking) -> Store:
    """Find the store and create it where it does not exist yet; safe from many processes at once.

    Raises:
        StoreError: it cannot be created or opened.

    """
    store = locate_store(tracking)
    try:
        if store.folder is None:
            store.client.search_experiments(max_results=1)
            return store
        store.folder.mkdir(parents=True, exist_ok=True)
        # Two processes that create one SQLite store together leave it half-migrated for good.
        with FileLock(store.folder / ".create.lock"):
            store.client.search_experiments(max_results=1)
    except STORE_ERRORS as error:
        raise StoreError(f"the store {store} cannot be opened: {first_line(error)}") from error
    return store


def ensure_experiment(store: Store, study: str) -> str:
    """Id of the study's experiment, made if it is new."""
    if store.folder is None:
        return _get_or_create(store, study, None)
    with FileLock(store.folder / ".create.lock"):
        return _get_or_create(store, study, (store.folder / "artifacts" / study).as_uri())


def _get_or_create(store: Store, study: str, artifact_location: str | None) -> str:
    found: Experiment | None = store.client.get_experiment_by_name(study)
    if found is None:
        return str(store.client.create_experiment(study, artifact_location))
    if found.lifecycle_stage != "active":
        raise StoreError(
            f"study {study} was deleted from the store {store}: restore it "
            f"(mlflow experiments restore -x {found.experiment_id}) or name another with study=..."
        )
    return str(found.experiment_id)


def find_experiment(store: Store, study: str) -> Experiment:
    """Look a study up, or raise StoreError that names the ones there are."""
    if store.folder is not None and not Path(str(store)).exists():
        raise MissingStudyError(f"there is no store at {store} yet: `make sweep` makes one")
    try:
        found = store.client.get_experiment_by_name(study)
        if found is not None:
            return found
        names = [experiment.name for experiment in store.client.search_experiments()]
    except STORE_ERRORS as error:
        raise StoreError(f"the store {store} cannot be read: {first_line(error)}") from error
    there = ", ".join(sorted(set(names) - {"Default"})) or "none"
    raise MissingStudyError(f"study={study}: the store {store} has no such study; it has {there}")


def studies(store: Store) -> dict[str, str]:
    """Id of each study's experiment, by name."""
    experiments = store.client.search_experiments(order_by=["name ASC"])
    return {e.name: e.experiment_id for e in experiments if e.name != "Default"}
