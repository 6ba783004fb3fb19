"""Runs on their way out of the store, as tables."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pandas as pd
from mlflow.entities import Run, ViewType
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from pyarrow import parquet  # type: ignore[import-untyped]

from actscope.errors import MissingStudyError
from actscope.tracking.errors import store_errors
from actscope.tracking.store import Store, connected, find_experiment

RUNS_A_PAGE = 1000  # MLflow's limit
RUN_ID = "run_id"  # a column of packs
PARAMS, METRICS = "params.", "metrics."  # how their columns begin
READERS = 8  # within the ten connections that a session of MLflow's keeps open

Key = TypeVar("Key")
Content = TypeVar("Content")


def read_runs(store: Store, study: str) -> pd.DataFrame:
    """All runs of a study's points, finished or not, oldest first.

    Columns: `run_id`, `name`, `status`, `started` and `ended` (ms since 1970), `outcome`, `reason`,
    `signature`, `signature.config`, `.data`, `.code`, `.activation_code`, `sweep`, `commit`,
    `dirty`, `pack` (the name of its packed tables). The parameters, as text, are `params.lr` and so
    on; the metrics' last values, as numbers, are `metrics.test/accuracy_final` and so on. These are
    the names of MLflow's own tables, so nothing that a user logs takes another thing's place.

    Raises:
        StoreError: there is no such study, or the store cannot be read.

    """
    experiment = find_experiment(store, study)
    rows_of = _from_server if store.folder is None else _from_sqlite
    with store_errors(store):
        rows = list(rows_of(store, experiment.experiment_id))
    frame = pd.DataFrame(rows)
    return frame.sort_values(["started", "run_id"], ignore_index=True) if rows else frame


def read_history(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return _read_table(store, study, run_id, "history.parquet")


def read_trajectory(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return _read_table(store, study, run_id, "trajectory.parquet")


def read_probe(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return _read_table(store, study, run_id, "probe.parquet")


def fetch_artifact(store: Store, study: str, run_id: str, name: str) -> Path:
    """Path of a run's artifact, of a store on this machine.

    It is read where the store lies now: the absolute addresses in its database are those of the day
    it was written, and a project may have moved since.
    """
    return run_folder(store, study, run_id) / "artifacts" / name


def run_folder(store: Store, study: str, run_id: str) -> Path:
    """Where a run's files lie, of a store on this machine.

    By its id, which no other run has, they are found in any study's folder: that of one which was
    renamed keeps its name, and MLflow's UI names the folder of one that it makes by a number.
    """
    assert store.folder is not None
    artifacts = store.folder / "artifacts"
    usual = artifacts / study / run_id
    return usual if usual.exists() else next(artifacts.glob(f"*/{run_id}"), usual)


@contextmanager
def fetched(store: Store, study: str, run_id: str, name: str) -> Iterator[Path]:
    """A run's artifact on this machine, as long as the context lasts if it is a server's.

    Raises:
        StoreError: a server has no such artifact, or does not give it.

    """
    if store.folder is not None:
        yield fetch_artifact(store, study, run_id, name)
        return
    with TemporaryDirectory(prefix="actscope-") as folder:
        path = Path(folder) / name
        download(store, study, f"{run_id}/artifacts/{name}", path)
        yield path


def download(store: Store, study: str, name: str, path: Path) -> None:
    """Fetch a file of a server by its path among all artifacts of a study."""
    with store_errors(store):
        # Not download_artifacts, which also asks for the run and whether this is a folder.
        _artifacts_of(store, study)._download_file(name, str(path))  # type: ignore[no-untyped-call]


def _artifacts_of(store: Store, study: str) -> ArtifactRepository:
    """Where a server keeps the artifacts of a study's runs."""
    found = store.client.get_experiment_by_name(study)
    if found is None:
        raise MissingStudyError(f"study={study}: the store {store} has no such study")
    return _repository(found.artifact_location, store.uri)


@lru_cache
def _repository(location: str, store_uri: str) -> ArtifactRepository:
    """Kept, since each asks its server anew what it is capable of."""
    return get_artifact_repository(location, store_uri)


def _read_table(store: Store, study: str, run_id: str, name: str) -> pd.DataFrame:
    if store.packs is not None and (store.packs / name).exists():
        of_run = parquet.read_table(store.packs / name, filters=[(RUN_ID, "==", run_id)])
        if len(of_run):
            packed: pd.DataFrame = of_run.drop_columns(RUN_ID).to_pandas()
            return packed
    # By pandas it would take twice as long: such tables are small and many.
    with fetched(store, study, run_id, name) as path, parquet.ParquetFile(path) as file:
        table: pd.DataFrame = file.read(use_threads=False).to_pandas()
    return table


def read_in_order(
    store: Store,
    read: Callable[[Key], Content],
    keys: Iterable[Key],
    readers: int = READERS,
) -> Iterator[Content]:
    """What `read` gives for each key, in their order; of a server `readers` are read at once.

    It reads ahead of whom it is for, but not far: a study's tables need not fit into memory.
    """
    if store.folder is not None:
        yield from map(read, keys)
        return
    with ThreadPoolExecutor(readers) as pool:
        ahead: deque[Future[Content]] = deque()
        for key in keys:
            ahead.append(pool.submit(read, key))
            if len(ahead) > 2 * readers:
                yield ahead.popleft().result()
        for future in ahead:
            yield future.result()


def search(
    store: Store, experiment_id: str, query: str, stage: int = ViewType.ACTIVE_ONLY
) -> Iterator[Run]:
    """All runs of an experiment that a query of MLflow's finds, page by page.

    `stage`: DELETED_ONLY for those in MLflow's trash.
    """
    token = None
    while True:
        page = store.client.search_runs(
            [experiment_id],
            query,
            run_view_type=stage,
            max_results=RUNS_A_PAGE,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _from_server(store: Store, experiment_id: str) -> Iterator[dict[str, Any]]:
    for run in search(store, experiment_id, "tags.`actscope.kind` = 'point'"):
        info, data = run.info, run.data
        about = (info.run_id, info.run_name, info.status, info.start_time, info.end_time)
        yield _run_row(about, data.tags, data.params, data.metrics)


def _from_sqlite(store: Store, experiment_id: str) -> Iterator[dict[str, Any]]:
    """The same, in a tenth of the time that MLflow's search takes for a thousand runs."""
    with connected(store) as database:

        def select(columns: str, table: str) -> Iterator[Any]:
            query = (
                f"SELECT {columns} FROM {table} WHERE run_uuid IN ("  # noqa: S608 - fixed words
                "SELECT run_uuid FROM runs JOIN tags USING (run_uuid) "
                "WHERE experiment_id = ? AND lifecycle_stage = 'active' "
                "AND key = 'actscope.kind' AND value = 'point')"
            )
            return database.execute(query, [experiment_id])

        tags = _by_run(select("run_uuid, key, value", "tags"))
        params = _by_run(select("run_uuid, key, value", "params"))
        values = select("run_uuid, key, value, is_nan", "latest_metrics")
        metrics = _by_run(
            (run, key, nan if is_nan else value) for run, key, value, is_nan in values
        )
        for about in select("run_uuid, name, status, start_time, end_time", "runs"):
            run_id = about[0]
            yield _run_row(about, tags[run_id], params[run_id], metrics[run_id])


def _by_run(rows: Iterable[tuple[str, str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for run_id, key, value in rows:
        found[run_id][key] = value
    return found


def _run_row(
    about: Sequence[Any],
    tags: Mapping[str, str],
    params: Mapping[str, str],
    metrics: Mapping[str, Any],
) -> dict[str, Any]:
    """`about`: id, name, status, start and end of a run."""
    return {
        **dict(zip(("run_id", "name", "status", "started", "ended"), about, strict=True)),
        **{
            key: tags.get(f"actscope.{key}")
            for key in (
                "outcome",
                "reason",
                "sweep",
                "signature",
                "signature.config",
                "signature.data",
                "signature.code",
                "signature.activation_code",
                "pack",
            )
        },
        "commit": tags.get("mlflow.source.git.commit"),
        "dirty": tags.get("actscope.git_dirty"),
        **{f"{PARAMS}{key}": value for key, value in params.items()},
        **{f"{METRICS}{key}": value for key, value in metrics.items()},
    }
