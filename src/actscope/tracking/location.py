"""Where a tracking store is, as a value: neither the store nor MLflow is asked."""

from dataclasses import dataclass
from pathlib import Path

from actscope import credentials
from actscope.config import Tracking
from actscope.errors import StoreError
from actscope.project import ROOT

MLRUNS = ROOT / "mlruns"
SQLITE = "sqlite:///"
SERVERS = ("http", "https", "postgresql", "mysql")


@dataclass(frozen=True)
class LocalLocation:
    """A store in an SQLite database on this machine."""

    database: Path

    @property
    def uri(self) -> str:
        return f"{SQLITE}{self.database}"

    @property
    def folder(self) -> Path:
        """Where the store keeps artifacts, and actscope its offline queue and checkpoints."""
        return self.database.parent

    @property
    def name_in_queue(self) -> str:
        """How a queued run names its store. The queue is next to the database: no path."""
        return f"{SQLITE}{self.database.name}"

    def __str__(self) -> str:
        return str(self.database)


@dataclass(frozen=True, repr=False)
class ServerLocation:
    """A store on a server: MLflow's own by HTTP, or a database."""

    uri: str

    @property
    def folder(self) -> Path:
        """Where actscope keeps the store's offline queue and checkpoints on this machine."""
        return MLRUNS

    @property
    def name_in_queue(self) -> str:
        """How a queued run names its store: without credentials."""
        return str(self).rstrip("/")

    def __str__(self) -> str:
        return credentials.hide(self.uri)

    def __repr__(self) -> str:
        return f"ServerLocation({str(self)!r})"


Location = LocalLocation | ServerLocation


def find_location(tracking: Tracking) -> Location:
    """Location of the store that the settings name, or of the project's own store.

    Raises:
        StoreError: MLflow cannot write to that kind of store, or the URI is ambiguous.

    """
    uri = tracking.uri or f"{SQLITE}{MLRUNS / 'mlflow.db'}"
    if is_server(uri):
        if (flaw := credentials.find_flaw(uri)) is not None:
            raise StoreError(f"tracking.uri={credentials.hide(uri)}: {flaw}")
        return ServerLocation(uri)
    path = uri.removeprefix(SQLITE)
    if path in ("", ":memory:", uri):
        raise StoreError(
            f"tracking.uri={credentials.hide(uri)}: not SQLite and not a server. "
            "Give sqlite:////folder/mlflow.db or http://host:port."
        )
    return LocalLocation(ROOT / path)


def is_server(uri: str) -> bool:
    return uri.split(":", 1)[0] in SERVERS
