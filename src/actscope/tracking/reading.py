"""Runs on their way out of the store, as tables."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pandas as pd
from mlflow.entities import Run, ViewType
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from actscope.errors import MissingStudyError
from actscope.tracking.store import Store, find_experiment, store_errors

RUNS_A_PAGE = 1000  # MLflow's limit
READERS = 8  # within the ten connections that a session of MLflow's keeps open
READERS_AHEAD = 2 * READERS

Key = TypeVar("Key")
Content = TypeVar("Content")


def read_runs(store: Store, study: str) -> pd.DataFrame:
    """All runs of a study's points, finished or not, oldest first.

    Columns: `run_id`, `name`, `status`, `started` and `ended` (ms since 1970), `outcome`, `reason`,
    `signature`, `signature.config`, `.data`, `.code`, `sweep`, `commit`, `dirty`; the parameters
    under their own names, as text; the metrics' last values under theirs, as numbers.

    Raises:
        StoreError: there is no such study, or the store cannot be read.

    """
    experiment = find_experiment(store, study)
    runs = search(store, experiment.experiment_id, "tags.`actscope.kind` = 'point'")
    rows = [_run_row(run) for run in runs]
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
    assert store.folder is not None
    return store.folder / "artifacts" / study / run_id / "artifacts" / name


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
        with store_errors(store):
            # Not download_artifacts, which also asks for the run and whether this is a folder.
            _artifacts_of(store, study)._download_file(  # type: ignore[no-untyped-call]
                f"{run_id}/artifacts/{name}", str(path)
            )
        yield path


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
    with fetched(store, study, run_id, name) as path:
        return pd.read_parquet(path)


def read_in_order(
    store: Store, read: Callable[[Key], Content], keys: Iterable[Key]
) -> Iterator[Content]:
    """What `read` gives for each key, in their order; of a server several are read at once.

    It reads ahead of whom it is for, but not far: a study's tables need not fit into memory.
    """
    if store.folder is not None:
        yield from map(read, keys)
        return
    with ThreadPoolExecutor(READERS) as pool:
        ahead: deque[Future[Content]] = deque()
        for key in keys:
            ahead.append(pool.submit(read, key))
            if len(ahead) > READERS_AHEAD:
                yield ahead.popleft().result()
        for future in ahead:
            yield future.result()


def search(store: Store, experiment_id: str, query: str) -> Iterator[Run]:
    """All runs of an experiment that a query of MLflow's finds, page by page."""
    token = None
    while True:
        page = store.client.search_runs(
            [experiment_id],
            query,
            run_view_type=ViewType.ACTIVE_ONLY,
            max_results=RUNS_A_PAGE,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _run_row(run: Run) -> dict[str, Any]:
    tags = run.data.tags
    return {
        "run_id": run.info.run_id,
        "name": run.info.run_name,
        "status": run.info.status,
        "started": run.info.start_time,
        "ended": run.info.end_time,
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
            )
        },
        "commit": tags.get("mlflow.source.git.commit"),
        "dirty": tags.get("actscope.git_dirty"),
        **run.data.params,
        **run.data.metrics,
    }
