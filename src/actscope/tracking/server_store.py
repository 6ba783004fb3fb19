"""A store on a server: each file and each page of runs costs a request."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

from actscope.errors import MissingStudyError, StoreError
from actscope.tracking.errors import is_already_there, is_unknown, store_errors
from actscope.tracking.location import ServerLocation
from actscope.tracking.mlflow_client import stage
from actscope.tracking.rows import Experiment, RunRow, RunRows
from actscope.tracking.store import NO_TAGS, READERS, Content, Key, Store
from actscope.tracking.timeouts import briefly

if TYPE_CHECKING:
    from mlflow.entities import Experiment as MlflowsExperiment
    from mlflow.entities import Run
    from mlflow.store.artifact.artifact_repo import ArtifactRepository


@dataclass(frozen=True)
class ServerStore(Store):
    """A store on a server. `packed_tables`: a folder here of tables fetched for many runs."""

    location: ServerLocation
    packed_tables: Path | None = None
    runs_at_once: ClassVar[int] = 1  # each costs requests, and may be refused alone

    @property
    def public_uri(self) -> str:
        return str(self)

    @property
    def ui(self) -> str:
        address = str(self).rstrip("/")
        return address if address.startswith("http") else ""

    def check_exists(self) -> None:
        """A server is there, or its first request raises."""

    def prepare(self, *, to_write: bool) -> None:  # noqa: ARG002 - nothing can be made from here
        with briefly():
            self.client.search_experiments(max_results=1)

    @property
    def rows(self) -> RunRows:
        from actscope.tracking.client_rows import ClientRows  # it needs MLflow

        return ClientRows(self)

    def ensure_experiment(self, study: str, tags: Mapping[str, str] = NO_TAGS) -> str:
        try:
            return self._get_or_create(study, tags)
        except StoreError as error:
            if not is_already_there(error):
                raise
            return self._get_or_create(study, tags)

    def _get_or_create(self, study: str, tags: Mapping[str, str]) -> str:
        found = self._experiment(study)
        if found is None:
            return self.rows.create_experiment(study, None, tags)
        self._set_tags(found, tags)
        return str(found.experiment_id)

    @contextmanager
    def artifact(self, study: str, run_id: str, name: str) -> Iterator[Path]:
        with TemporaryDirectory(prefix="actscope-") as folder:
            path = Path(folder) / name
            self.download(study, f"{run_id}/artifacts/{name}", path)
            yield path

    def download(self, study: str, name: str, path: Path) -> None:
        """Fetch a file by its path among all artifacts of a study."""
        with store_errors(self.location):
            found = self.client.get_experiment_by_name(study)
            if found is None:
                raise MissingStudyError(f"study={study}: the store {self} has no such study")
            repository = _repository(found.artifact_location, self.uri)
            # Not download_artifacts, which also asks for the run and whether this is a folder.
            repository._download_file(name, str(path))  # type: ignore[no-untyped-call]

    def artifact_folder(
        self,
        study: str,  # noqa: ARG002 - a server finds a run by its id
        run_id: str,
        scratch: Path,
        without: Collection[str] = (),
    ) -> Path:
        with store_errors(self.location):
            if not without:
                return Path(self.client.download_artifacts(run_id, "", str(scratch)))
            for item in self.client.list_artifacts(run_id):
                if item.path not in without:
                    self.client.download_artifacts(run_id, item.path, str(scratch))
            return scratch

    def put_files(
        self,
        study: str,  # noqa: ARG002 - a server finds a run by its id
        run_id: str,
        files: Mapping[str, bytes],
        folder: str = "",
    ) -> None:
        with store_errors(self.location), TemporaryDirectory(prefix="actscope-") as scratch:
            for name, content in files.items():
                (Path(scratch) / name).write_bytes(content)
            self.client.log_artifacts(run_id, scratch, folder or None)

    def log_artifacts(self, address: str, folder: Path) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with store_errors(self.location):
            repository = get_artifact_repository(address, self.uri)
            repository.log_artifacts(str(folder))  # type: ignore[no-untyped-call]

    def make_place(self, address: str) -> None:
        """A server makes it with the first file."""

    def delete_artifacts(self, study: str, run_id: str) -> None:
        """A server's artifacts stay with the deleted run."""

    def point_rows(self, experiment_id: str) -> Iterable[RunRow]:
        return map(row_of, self.search(experiment_id, "tags.`actscope.kind` = 'point'"))

    def summary_rows(
        self,
        experiment_id: str,
        tags: Mapping[str, str],
        metrics: Sequence[str],  # noqa: ARG002 - a search brings all of them
        *,
        is_unfinished: bool,
        is_deleted: bool,
    ) -> Iterable[RunRow]:
        conditions = ["tags.`actscope.kind` LIKE '%'"]
        conditions += [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
        if is_unfinished:
            conditions.append("attributes.status != 'FINISHED'")
        query = " and ".join(conditions)
        return map(row_of, self.search(experiment_id, query, is_deleted=is_deleted))

    def experiments(self, *, is_deleted: bool = False) -> Iterable[Experiment]:
        return map(_own, self.client.search_experiments(stage(is_deleted), order_by=["name ASC"]))

    def experiment_named(self, study: str) -> Experiment | None:
        found = self.client.get_experiment_by_name(study)
        return None if found is None else _own(found)

    def find_experiment_of(self, run_id: str) -> str | None:
        try:
            run = self.client.get_run(run_id)
            experiment = _own(self.client.get_experiment(run.info.experiment_id))
        except StoreError as error:
            if not is_unknown(error):
                raise
            return None
        return experiment.experiment_id if experiment.is_active else None

    def metric_rows(self, run: "Run") -> Iterable[tuple[str, float, int, int]]:
        read = partial(self.client.get_metric_history, run.info.run_id)
        for metrics in self.read_in_order(read, run.data.metrics):
            for metric in metrics:
                yield metric.key, metric.value, metric.timestamp, metric.step

    def tag_values(self, experiment_id: str, key: str) -> dict[str, str]:
        runs = self.search(experiment_id, f"tags.`{key}` LIKE '%'")
        return {run.info.run_id: run.data.tags[key] for run in runs}

    def read_in_order(
        self,
        read: Callable[[Key], Content],
        keys: Iterable[Key],
        readers: int = READERS,
    ) -> Iterator[Content]:
        with ThreadPoolExecutor(readers) as pool:
            # A few at a time: a study's tables need not fit into memory.
            ahead: deque[Future[Content]] = deque()
            for key in keys:
                ahead.append(pool.submit(read, key))
                if len(ahead) > 2 * readers:
                    yield ahead.popleft().result()
            for future in ahead:
                yield future.result()


def row_of(run: "Run") -> RunRow:
    """A run of MLflow's as a row."""
    info, data = run.info, run.data
    about = (info.run_id, info.run_name, info.status, info.start_time, info.end_time)
    return RunRow(*about, data.tags, data.params, data.metrics)


def _own(found: "MlflowsExperiment") -> Experiment:
    is_active = found.lifecycle_stage == "active"
    about = (str(found.experiment_id), found.name, found.artifact_location)
    return Experiment(*about, is_active, found.tags)


@lru_cache
def _repository(location: str, store_uri: str) -> "ArtifactRepository":
    """Kept, since each new one asks its server again what the server can do."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(location, store_uri)
