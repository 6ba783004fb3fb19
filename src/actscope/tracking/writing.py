"""Runs on their way into the store: begin one, finish it, close it."""

import json
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from actscope import artifacts, history
from actscope.config import Point, flat_settings
from actscope.data import Data
from actscope.dying import shares, unit_fates
from actscope.errors import first_line
from actscope.project import git_state
from actscope.signature import signature_of
from actscope.tracking.reading import search
from actscope.tracking.store import Store, ensure_experiment
from actscope.train import RunResult
from actscope.trajectory import thinned_series

METRICS_A_BATCH = 1000  # MLflow's limit


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
    for run in search(store, sweep.experiment_id, query):
        if run.info.run_id != sweep.parent_run_id:
            store.client.set_terminated(run.info.run_id, "KILLED")
    if sweep.parent_run_id is not None:
        store.client.set_terminated(sweep.parent_run_id, "FINISHED" if succeeded else "FAILED")


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
