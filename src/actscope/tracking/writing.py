"""Runs on their way into the store: begin one, finish it, close it."""

import json
import tempfile
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from actscope import artifacts, history
from actscope.config import Point, flat_settings
from actscope.data import Data
from actscope.dying import shares, unit_fates
from actscope.errors import StoreError, first_line
from actscope.signature import signature_of
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.parcel import (
    PARCEL_TAG,
    Input,
    MetricRow,
    Parcel,
    fill_run,
    hash_artifacts,
    log_start,
    open_run,
    parcel_of,
)
from actscope.tracking.spool import is_away, is_known_away, keep, note_away
from actscope.tracking.store import STORE_ERRORS, Store
from actscope.tracking.sweeps import Sweep, origin
from actscope.train import RunResult
from actscope.trajectory import thinned_series

SPOOLED = "spool-"  # how the id of a run begins that no store knows yet

_begun: dict[str, "Begun"] = {}  # by run id, of the runs that this process has open


@dataclass(frozen=True)
class Begun:
    """What is known of a run before it ends, and where its store wants its artifacts."""

    run_id: str
    parcel: Parcel
    artifact_uri: str | None = None


def begin_run(store: Store, sweep: Sweep, point: Point, data: Data) -> str:
    """Open a run for one attempt at a point; returns its id, which tells if the store is away."""
    parcel_id = uuid.uuid4().hex
    parcel = Parcel(
        id=parcel_id,
        study=point.study,
        name=str(point),
        status="RUNNING",
        started=_now(),
        sweep=sweep.id,
        tags={**_first_tags(sweep, point, data), PARCEL_TAG: parcel_id},
        params={key: str(value) for key, value in flat_settings(point).items()},
        inputs=(_input(data),),
    )
    begun = _open(store, sweep.experiment_id, parcel)
    _begun[begun.run_id] = begun
    return begun.run_id


def finish_run(store: Store, run_id: str, result: RunResult) -> None:
    """Log what came of a point and close its run as FINISHED, or spool it if the store is away."""
    tags = {"actscope.outcome": str(result.outcome), "mlflow.note.content": describe(result)}
    if result.diverged_at is not None:
        tags["actscope.diverged_at"] = str(result.diverged_at)
    with tempfile.TemporaryDirectory(prefix="actscope-") as folder:
        artifacts.write(result, Path(folder))
        _end(store, run_id, "FINISHED", tags, Path(folder), tuple(_metrics(result)))


def fail_run(store: Store, run_id: str, error: Exception) -> None:
    """Close a run as FAILED, or spool it, with the reason and the traceback as an artifact."""
    with tempfile.TemporaryDirectory(prefix="actscope-") as folder:
        text = "".join(traceback.format_exception(error))
        (Path(folder) / "traceback.txt").write_text(text)
        _end(store, run_id, "FAILED", {"actscope.reason": first_line(error)[:500]}, Path(folder))


def _open(store: Store, experiment_id: str, parcel: Parcel) -> Begun:
    if not is_known_away(store):
        try:
            run = open_run(store, experiment_id, parcel)
            # From here on the parcel goes into this run, now or when the store is back.
            parcel = replace(parcel, run_id=run.info.run_id)
            log_start(store, run.info.run_id, parcel)
        except STORE_ERRORS as error:
            if not is_away(store, error):
                raise
            note_away(store, error)
        else:
            return Begun(run.info.run_id, parcel, run.info.artifact_uri)
    return Begun(f"{SPOOLED}{parcel.id}", parcel)


def _end(
    store: Store,
    run_id: str,
    status: Literal["FINISHED", "FAILED"],
    tags: Mapping[str, str],
    folder: Path,
    metrics: tuple[MetricRow, ...] = (),
) -> None:
    begun = _begun[run_id] if run_id in _begun else _look_up(store, run_id)
    parcel = replace(
        begun.parcel,
        status=status,
        ended=_now(),
        tags={**begun.parcel.tags, **tags},
        metrics=metrics,
        artifacts=hash_artifacts(folder),
    )
    if not _filled(store, begun, parcel, folder):
        keep(store, parcel, folder)
    _begun.pop(run_id, None)


def _filled(store: Store, begun: Begun, parcel: Parcel, folder: Path) -> bool:
    """Log a parcel into its run and close it; False where the store is away."""
    if begun.run_id.startswith(SPOOLED) or is_known_away(store):
        return False
    try:
        fill_run(store, begun.run_id, parcel, folder, begun.artifact_uri)
    except STORE_ERRORS as error:
        if not is_away(store, error):
            raise
        note_away(store, error)
        return False
    return True


def _look_up(store: Store, run_id: str) -> Begun:
    """What the store knows of a run that another process has begun."""
    if run_id.startswith(SPOOLED):
        raise StoreError(f"run {run_id} was begun by another process while the store was away")
    run = store.client.get_run(run_id)
    study = store.client.get_experiment(run.info.experiment_id).name
    return Begun(run_id, parcel_of(run, study), run.info.artifact_uri)


def describe(result: RunResult) -> str:
    """Tell how a run ended in a sentence."""
    if result.diverged_at is not None:
        step = result.diverged_at
        return f"{result.point}: diverged, a number stopped being finite at step {step}."
    verb = "learned" if result.outcome == "learned" else "finished without learning"
    return f"{result.point}: {verb}; final test accuracy {result.test_accuracy:.4f}."


def _first_tags(sweep: Sweep, point: Point, data: Data) -> Mapping[str, str]:
    signature = signature_of(point, data)
    if sweep.parent_run_id is None:
        belonging = signs_of_life()
    else:
        belonging = {"mlflow.parentRunId": sweep.parent_run_id}
    return {
        "actscope.kind": "point",
        "actscope.sweep": sweep.id,
        "actscope.signature": signature.whole,
        "actscope.signature.config": signature.config,
        "actscope.signature.data": signature.data,
        "actscope.signature.code": signature.code,
        **origin(),
        **belonging,
    }


def _metrics(result: RunResult) -> Iterator[MetricRow]:
    now = _now()
    by_epoch = history.by_epoch(result.history)
    for name, series in by_epoch.items():
        for epoch, value in zip(series.index.tolist(), series, strict=True):
            yield name, float(value), now, epoch
    for name, value in history.final_and_best(by_epoch).items():
        yield name, value, now, 0
    for name, value in shares(unit_fates(result.trajectory, result.probe)).items():
        yield name, value, now, 0
    for name, series in thinned_series(result.trajectory).items():
        for step, value in zip(series.index.tolist(), series, strict=True):
            yield name, float(value), now, step


def _input(data: Data) -> Input:
    shape = {"train": list(data.train_x.shape), "test": list(data.test_x.shape)}
    return Input(
        name=data.name,
        digest=data.sha256[:36],  # MLflow's limit
        source_type="actscope",
        source=json.dumps({"name": data.name, "sha256": data.sha256}),
        profile=json.dumps(shape),
        tags={"mlflow.data.context": "training"},
    )


def _now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)
