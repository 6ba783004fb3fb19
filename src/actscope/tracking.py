"""Runs in MLflow: write one, read many. No other module imports mlflow."""

import os

# Read by mlflow: by default it phones home, and it asks a server that is away for four minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")

import json
import logging
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from actscope import artifacts, history
from actscope.config import Point, Tracking, flat_settings
from actscope.data import Data
from actscope.dying import shares, unit_fates
from actscope.errors import MissingStudyError, StoreError
from actscope.project import ROOT, git_state
from actscope.signature import signature_of
from actscope.train import RunResult
from actscope.trajectory import thinned_series

# mlflow lets SQLAlchemy's own errors through while it opens a database.
STORE_ERRORS = (OSError, MlflowException, SQLAlchemyError)

METRICS_A_BATCH = 1000  # MLflow's limit
RUNS_A_PAGE = 1000  # MLflow's limit
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


@dataclass(frozen=True)
class Sweep:
    """One `-m` call on one study: the runs it makes stand under a parent run."""

    id: str
    experiment_id: str
    parent_run_id: str | None


def begin_sweep(store: Store, study: str, sweep_id: str, points: Sequence[Point]) -> Sweep:
    """Make the study's experiment, if it is new, and the parent run, which holds the grid."""
    experiment_id = ensure_experiment(store, study)
    run = store.client.create_run(
        experiment_id,
        run_name=f"sweep {sweep_id}",
        tags={"actscope.kind": "sweep", "actscope.sweep": sweep_id, **_origin()},
    )
    grid = "".join(f"{json.dumps(flat_settings(point))}\n" for point in points)
    store.client.log_text(run.info.run_id, grid, "grid.jsonl")
    return Sweep(sweep_id, experiment_id, run.info.run_id)


def end_sweep(store: Store, sweep: Sweep, *, succeeded: bool) -> None:
    """Close the parent run, and as KILLED what a lost worker or an interrupt left open under it."""
    query = f"tags.`actscope.sweep` = '{sweep.id}' and attributes.status = 'RUNNING'"
    for run in _search(store, sweep.experiment_id, query):
        if run.info.run_id != sweep.parent_run_id:
            store.client.set_terminated(run.info.run_id, "KILLED")
    if sweep.parent_run_id is not None:
        store.client.set_terminated(sweep.parent_run_id, "FINISHED" if succeeded else "FAILED")


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


def begin_run(store: Store, sweep: Sweep, point: Point, data: Data) -> str:
    """Open a run for one attempt at a point; returns its id."""
    signature = signature_of(point, data)
    tags = {
        "actscope.kind": "point",
        "actscope.sweep": sweep.id,
        "actscope.signature": signature.whole,
        "actscope.signature.config": signature.config,
        "actscope.signature.data": signature.data,
        "actscope.signature.code": signature.code,
        **_origin(),
    }
    if sweep.parent_run_id is not None:
        tags["mlflow.parentRunId"] = sweep.parent_run_id
    run = store.client.create_run(sweep.experiment_id, run_name=str(point), tags=tags)
    run_id = str(run.info.run_id)
    params = [Param(key, str(value)) for key, value in flat_settings(point).items()]
    store.client.log_batch(run_id, params=params)
    store.client.log_inputs(run_id, datasets=[_dataset_input(data)])
    return run_id


def finish_run(store: Store, run_id: str, result: RunResult) -> None:
    """Log what came of a point, artifacts first, and close its run as FINISHED."""
    with tempfile.TemporaryDirectory(prefix="actscope-") as folder:
        artifacts.write(result, Path(folder))
        store.client.log_artifacts(run_id, folder)
    metrics = list(_metrics(result))
    for start in range(0, len(metrics), METRICS_A_BATCH):
        store.client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_BATCH])
    tags = {"actscope.outcome": str(result.outcome), "mlflow.note.content": describe(result)}
    if result.diverged_at is not None:
        tags["actscope.diverged_at"] = str(result.diverged_at)
    store.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    store.client.set_terminated(run_id, "FINISHED")


def fail_run(store: Store, run_id: str, error: Exception) -> None:
    """Close a run as FAILED, with the reason as a tag and the traceback as an artifact."""
    store.client.log_text(run_id, "".join(traceback.format_exception(error)), "traceback.txt")
    store.client.set_tag(run_id, "actscope.reason", first_line(error)[:500])
    store.client.set_terminated(run_id, "FAILED")


def describe(result: RunResult) -> str:
    """Tell how a run ended in a sentence."""
    if result.diverged_at is not None:
        step = result.diverged_at
        return f"{result.point}: diverged, a number stopped being finite at step {step}."
    verb = "learned" if result.outcome == "learned" else "finished without learning"
    return f"{result.point}: {verb}; final test accuracy {result.test_accuracy:.4f}."


def read_runs(store: Store, study: str) -> pd.DataFrame:
    """All runs of a study's points, finished or not, oldest first.

    Columns: `run_id`, `name`, `status`, `started` and `ended` (ms since 1970), `outcome`, `reason`,
    `signature`, `signature.config`, `.data`, `.code`, `sweep`, `commit`, `dirty`; the parameters
    under their own names, as text; the metrics' last values under theirs, as numbers.

    Raises:
        StoreError: there is no such study, or the store cannot be read.

    """
    experiment = find_experiment(store, study)
    runs = _search(store, experiment.experiment_id, "tags.`actscope.kind` = 'point'")
    rows = [_run_row(run) for run in runs]
    frame = pd.DataFrame(rows)
    return frame.sort_values(["started", "run_id"], ignore_index=True) if rows else frame


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


def read_history(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return pd.read_parquet(fetch_artifact(store, study, run_id, "history.parquet"))


def read_trajectory(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return pd.read_parquet(fetch_artifact(store, study, run_id, "trajectory.parquet"))


def read_probe(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return pd.read_parquet(fetch_artifact(store, study, run_id, "probe.parquet"))


def fetch_artifact(store: Store, study: str, run_id: str, name: str) -> Path:
    """Path of a run's artifact on this machine.

    A store on this machine is read where it lies now: the absolute addresses in its database are
    those of the day it was written, and a project may have moved since.
    """
    if store.folder is not None:
        return store.folder / "artifacts" / study / run_id / "artifacts" / name
    return Path(store.client.download_artifacts(run_id, name))


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _search(store: Store, experiment_id: str, query: str) -> Iterator[Run]:
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


def _metrics(result: RunResult) -> Iterator[Metric]:
    now = int(time.time() * 1000)
    by_epoch = history.by_epoch(result.history)
    for name, series in by_epoch.items():
        for epoch, value in zip(series.index.tolist(), series, strict=True):
            yield Metric(name, float(value), now, epoch)
    for name, value in history.final_and_best(by_epoch).items():
        yield Metric(name, value, now, 0)
    for name, value in shares(unit_fates(result.trajectory, result.probe)).items():
        yield Metric(name, value, now, 0)
    for name, series in thinned_series(result.trajectory).items():
        for step, value in zip(series.index.tolist(), series, strict=True):
            yield Metric(name, float(value), now, step)


def _dataset_input(data: Data) -> DatasetInput:
    shape = {"train": list(data.train_x.shape), "test": list(data.test_x.shape)}
    dataset = Dataset(
        name=data.name,
        digest=data.sha256[:36],  # MLflow's limit
        source_type="actscope",
        source=json.dumps({"name": data.name, "sha256": data.sha256}),
        profile=json.dumps(shape),
    )
    return DatasetInput(dataset, tags=[InputTag("mlflow.data.context", "training")])


def _origin() -> Mapping[str, str]:
    git = git_state()
    return {
        "mlflow.source.name": "actscope",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git.commit,
        "actscope.git_dirty": git.dirty,
    }
