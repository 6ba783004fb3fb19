"""The interface of a tracking store, and what local stores and servers have in common."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from actscope.command_line import suggestions
from actscope.errors import MissingStudyError, StoreError
from actscope.runtime import startup
from actscope.setting_types import MLFLOWS_OWN
from actscope.tracking.location import Location
from actscope.tracking.mlflow_client import CheckedClient, stage
from actscope.tracking.rows import Experiment, RunRow, RunRows
from actscope.tracking.timeouts import briefly

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUNS_A_PAGE = 1000  # MLflow's limit
READERS = 8  # within the ten connections that a session of MLflow's keeps open
NO_TAGS: Mapping[str, str] = MappingProxyType({})

# They log every table of a fresh store and every try to reach a server.
for talkative in ("alembic", "mlflow", "urllib3"):
    logging.getLogger(talkative).setLevel(logging.ERROR)
# It prints the traceback of what it raises.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

Key = TypeVar("Key")
Content = TypeVar("Content")


@dataclass(frozen=True)
class Store(ABC):
    """An MLflow tracking store. Cheap to make and to pickle: each process connects for itself."""

    location: Location
    runs_at_once: ClassVar[int]  # how many runs are best opened in one call

    @property
    def uri(self) -> str:
        return self.location.uri

    @property
    def local_folder(self) -> Path:
        """The folder of this machine that holds the store's offline queue and checkpoints."""
        return self.location.folder

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's client; every error in it is a StoreError."""
        return cast("MlflowClient", CheckedClient(self))

    def connect(self) -> "MlflowClient":
        """A client of MLflow's own, whose errors are MLflow's."""
        with startup.without_gc():  # MLflow takes seconds to import
            from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri)

    @property
    @abstractmethod
    def rows(self) -> RunRows:
        """How runs are written into this store. Errors are those of MLflow or of SQLite."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "client"}

    def __str__(self) -> str:
        return str(self.location)

    @property
    @abstractmethod
    def public_uri(self) -> str:
        """The URI without credentials."""

    @property
    @abstractmethod
    def ui(self) -> str:
        """Address of MLflow's UI; '' where none is known."""

    @abstractmethod
    def check_exists(self) -> None:
        """Raise MissingStudyError where there is no store, and StoreError for a damaged one."""

    @abstractmethod
    def prepare(self, *, to_write: bool) -> None:
        """Create the store if it is missing, and check it.

        Raises:
            StoreError: it is damaged, or it is read-only and `to_write`.

        """

    @abstractmethod
    def ensure_experiment(self, study: str, tags: Mapping[str, str] = NO_TAGS) -> str:
        """Id of the study's experiment, which has these tags; a new study's experiment is made."""

    @abstractmethod
    def artifact(self, study: str, run_id: str, name: str) -> AbstractContextManager[Path]:
        """A run's artifact on this machine; a server's is deleted at the end of the context.

        Raises:
            StoreError: a server does not have the artifact, or does not answer.

        """

    @abstractmethod
    def artifact_folder(
        self, study: str, run_id: str, scratch: Path, without: Collection[str] = ()
    ) -> Path:
        """Folder of a run's artifacts on this machine; a server's are downloaded into `scratch`.

        `without`: top-level names that are not downloaded.
        """

    @abstractmethod
    def put_files(
        self, study: str, run_id: str, files: Mapping[str, bytes], folder: str = ""
    ) -> None:
        """Write files into a folder among a run's artifacts; they replace those of these names.

        Raises:
            StoreError: the store cannot be written.

        """

    @abstractmethod
    def log_artifacts(self, address: str, folder: Path) -> None:
        """Copy a folder's files to the artifacts of a run; `address`: where the store wants them.

        Raises:
            StoreError: the store cannot be written.

        """

    @abstractmethod
    def make_place(self, address: str) -> None:
        """Make the folder of a new run's artifacts, at the address that the store gave it."""

    @abstractmethod
    def delete_artifacts(self, study: str, run_id: str) -> None:
        """Delete the artifacts of a run that does not count, where they take room here."""

    @abstractmethod
    def point_rows(self, experiment_id: str) -> Iterable[RunRow]:
        """Runs of an experiment's points, with all that is logged but the metrics' history."""

    @abstractmethod
    def summary_rows(
        self,
        experiment_id: str,
        tags: Mapping[str, str],
        metrics: Sequence[str],
        *,
        is_unfinished: bool,
        is_deleted: bool,
    ) -> Iterable[RunRow]:
        """Runs of an experiment that have these tags, with their tags and these metrics.

        `is_unfinished`: without those that are FINISHED. `is_deleted`: those in MLflow's trash.
        """

    @abstractmethod
    def metric_rows(self, run: "Run") -> Iterable[tuple[str, float, int, int]]:
        """Every value of a run's metrics: name, value, timestamp (ms since 1970), step."""

    @abstractmethod
    def tag_values(self, experiment_id: str, key: str) -> dict[str, str]:
        """A tag's value in each run of an experiment that has the tag, by run id."""

    @abstractmethod
    def read_in_order(
        self,
        read: Callable[[Key], Content],
        keys: Iterable[Key],
        readers: int = READERS,
    ) -> Iterator[Content]:
        """What `read` returns for each key, in order. From a server, `readers` keys at a time."""

    @abstractmethod
    def experiments(self, *, is_deleted: bool = False) -> Iterable[Experiment]:
        """All experiments, sorted by name. `is_deleted`: those in MLflow's trash.

        Raises:
            StoreError: the store cannot be read.

        """

    @abstractmethod
    def experiment_named(self, study: str) -> Experiment | None:
        """The experiment of a study, even one in MLflow's trash.

        Raises:
            StoreError: the store cannot be read.

        """

    @abstractmethod
    def find_experiment_of(self, run_id: str) -> str | None:
        """Id of a run's experiment; None where the store lacks the run, or the study is deleted."""

    def studies(self, *, is_deleted: bool = False) -> dict[str, str]:
        """Id of each study's experiment, by name. `is_deleted`: those in MLflow's trash."""
        found = self.experiments(is_deleted=is_deleted)
        return {each.name: each.experiment_id for each in found if each.name != MLFLOWS_OWN}

    def find_experiment(self, study: str) -> Experiment:
        """The experiment of a study; nothing is written.

        Raises:
            MissingStudyError: there is no such study; the message lists the studies.
            StoreError: the store cannot be read, or the study is in MLflow's trash.

        """
        self.check_exists()
        with briefly():
            found = self._experiment(study)
        if found is None:
            there = ", ".join(self.studies()) or "none"
            raise MissingStudyError(
                f"study={study}: the store {self} has no such study, only these: {there}."
            )
        return found

    def search(
        self, experiment_id: str, query: str, *, is_deleted: bool = False
    ) -> Iterator["Run"]:
        """All runs of an experiment that a query of MLflow's finds, page by page.

        `is_deleted`: those in MLflow's trash.
        """
        token = None
        while True:
            page = self.client.search_runs(
                [experiment_id],
                query,
                run_view_type=stage(is_deleted),
                max_results=RUNS_A_PAGE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _set_tags(self, experiment: Experiment, tags: Mapping[str, str]) -> None:
        """Set the tags that differ. A server fails if two processes add a tag at the same time."""
        for name, value in tags.items():
            if experiment.tags.get(name) != value:
                self.rows.set_experiment_tag(experiment.experiment_id, name, value)

    def _experiment(self, study: str) -> Experiment | None:
        """The experiment of a study, if there is one.

        Raises:
            StoreError: it is in MLflow's trash.

        """
        found = self.experiment_named(study)
        if found is None or found.is_active:
            return found
        doctor = suggestions.command("doctor", f"study={study}", store=self)
        raise StoreError(
            f"study={study}: was deleted and is in the trash of the store {self}. Restore it with "
            f"`{doctor}`, or choose another name."
        )
