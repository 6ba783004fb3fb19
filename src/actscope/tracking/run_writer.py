"""Runs on their way into the store: begin one, finish it, close it."""

import json
import logging
import tempfile
import time
import traceback
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from actscope.artifacts import files
from actscope.artifacts.metrics import by_epoch, final_and_best, thinned_series
from actscope.artifacts.unit_fates import shares, unit_fates
from actscope.config import Extras, Point, flat_settings
from actscope.credentials import scrub
from actscope.engine.data import Data
from actscope.engine.device import CPU
from actscope.engine.result import RunResult
from actscope.errors import StoreError, first_line
from actscope.tracking.errors import STORE_ERRORS
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.offline_queue import SPOOLED, is_known_away, keep, note_refused
from actscope.tracking.packed_tables import PACK_TAG
from actscope.tracking.pyfunc_model import save_model
from actscope.tracking.run_index import STACK
from actscope.tracking.run_record import (
    PARCEL_TAG,
    Input,
    MetricRow,
    Parcel,
    fill_run,
    hash_artifacts,
    log_metrics,
    log_start,
    open_run,
    parcel_of,
)
from actscope.tracking.signature import signature_of
from actscope.tracking.store import Store
from actscope.tracking.sweeps import NO_EXTRAS, Sweep, origin

log = logging.getLogger(__name__)

_begun: dict[str, "Begun"] = {}  # by run id, of the runs that this process has open


@dataclass(frozen=True)
class Begun:
    """What is known of a run before it ends, and where its store wants its artifacts."""

    run_id: str
    parcel: Parcel
    artifact_uri: str | None = None
    extras: Extras = NO_EXTRAS


def begin_run(
    store: Store,
    sweep: Sweep,
    point: Point,
    data: Data,
    device: str = CPU.type,
    stack: str | None = None,
) -> str:
    """Open a run for one attempt at a point; returns its id, which tells if the store is away.

    `device`: the name of what trains it. `stack`: id of the task that it is a part of.
    """
    parcel_id = uuid.uuid4().hex
    tags = _first_tags(sweep, point, data, device)
    if stack is not None:
        tags[STACK] = stack
    parcel = Parcel(
        id=parcel_id,
        study=point.study,
        name=str(point),
        status="RUNNING",
        started=_now(),
        sweep=sweep.id,
        tags={**tags, PARCEL_TAG: parcel_id},
        params={key: str(value) for key, value in flat_settings(point).items()},
        inputs=(_input(data),),
    )
    begun = replace(_open(store, sweep.experiment_id, parcel), extras=sweep.extras)
    _begun[begun.run_id] = begun
    return begun.run_id


def hand_over(run_id: str) -> Begun:
    """What another process needs to know of a run that was begun in this one."""
    return _begun.pop(run_id)


def take_over(begun: Begun) -> str:
    """Go on with a run that another process has begun; returns its id."""
    _begun[begun.run_id] = begun
    return begun.run_id


def show_progress(store: Store, run_id: str, history: pd.DataFrame) -> None:
    """Log the metrics of the epochs that are over, for those who watch a run in training.

    `history`: as in a RunResult, up to the end of an epoch. A store that takes none does not stop
    the training: in the end all of them are logged.
    """
    begun = _begun[run_id]
    if begun.run_id.startswith(SPOOLED) or is_known_away(store):
        return
    shown = begun.parcel.metrics
    news = _new(shown, _epoch_metrics(by_epoch(history)))
    try:
        log_metrics(store, run_id, news)
    except STORE_ERRORS as error:
        log.debug("run %s is not shown in training: %s", run_id, error)
    else:
        metrics = (*shown, *news)
        _begun[run_id] = replace(begun, parcel=replace(begun.parcel, metrics=metrics))


def finish_run(store: Store, run_id: str, result: RunResult, pack: str | None = None) -> None:
    """Log what came of a point and close its run as FINISHED, or spool it if the store refuses it.

    `pack`: where log_packs has put its tables as well.

    Raises:
        StoreError: neither the store nor the spool takes it.

    """
    begun = _find(store, run_id)
    tags = {"actscope.outcome": str(result.outcome), "mlflow.note.content": describe(result)}
    if pack is not None:
        tags[PACK_TAG] = pack
    if result.diverged_at is not None:
        tags["actscope.diverged_at"] = str(result.diverged_at)
    with tempfile.TemporaryDirectory(prefix="actscope-") as folder:
        files.write(result, Path(folder), plotly=begun.extras.plotly)
        if begun.extras.model:
            tags |= save_model(result, Path(folder))
        _end(store, begun, "FINISHED", tags, Path(folder), _metrics(result))


def fail_run(store: Store, run_id: str, error: Exception) -> None:
    """Close a run as FAILED, or spool it, with the reason and the traceback as an artifact."""
    begun = _find(store, run_id)
    with tempfile.TemporaryDirectory(prefix="actscope-") as folder:
        text = scrub("".join(traceback.format_exception(error)), store.uri)
        (Path(folder) / "traceback.txt").write_text(text)
        _end(store, begun, "FAILED", {"actscope.reason": first_line(error)[:500]}, Path(folder))


def _open(store: Store, experiment_id: str, parcel: Parcel) -> Begun:
    if not is_known_away(store):
        try:
            run = open_run(store, experiment_id, parcel)
            # From here on the parcel goes into this run, now or when the store is back.
            parcel = replace(parcel, run_id=run.info.run_id)
            log_start(store, run.info.run_id, parcel)
        except Exception as error:  # noqa: BLE001 - a run that no store takes is trained and kept
            note_refused(store, parcel, error)
        else:
            return Begun(run.info.run_id, parcel, run.info.artifact_uri)
    return Begun(f"{SPOOLED}{parcel.id}", parcel)


def _end(
    store: Store,
    begun: Begun,
    status: Literal["FINISHED", "FAILED"],
    tags: Mapping[str, str],
    folder: Path,
    metrics: Iterable[MetricRow] = (),
) -> None:
    shown = begun.parcel.metrics
    news = _new(shown, metrics)
    parcel = replace(
        begun.parcel,
        status=status,
        ended=_now(),
        tags={**begun.parcel.tags, **tags},
        metrics=news,
        artifacts=hash_artifacts(folder),
    )
    whole = replace(parcel, metrics=(*shown, *news))
    if begun.run_id.startswith(SPOOLED) or is_known_away(store):
        keep(store, whole, folder)
    else:
        try:
            fill_run(store, begun.run_id, parcel, folder, begun.artifact_uri)
        except Exception as error:  # noqa: BLE001 - whatever refuses it, what was trained is kept
            _keep_refused(store, whole, folder, error)
    _begun.pop(begun.run_id, None)


def _keep_refused(store: Store, parcel: Parcel, folder: Path, error: Exception) -> None:
    """Keep a parcel that its store has refused; where that fails as well, raise the refusal."""
    try:
        keep(store, parcel, folder)
    except StoreError as second:
        log.warning("%s: its run cannot be kept either: %s", parcel.name, second)
        raise error from None
    note_refused(store, parcel, error)


def _find(store: Store, run_id: str) -> Begun:
    """What this process knows of a run, or the store of one that another process has begun."""
    if run_id in _begun:
        return _begun[run_id]
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


def _first_tags(sweep: Sweep, point: Point, data: Data, device: str) -> dict[str, str]:
    signature = signature_of(point, data)
    if sweep.parent_run_id is None:
        belonging = signs_of_life()
    else:
        belonging = {"mlflow.parentRunId": sweep.parent_run_id}
    return {
        "actscope.kind": "point",
        "actscope.sweep": sweep.id,
        "actscope.signature": signature.whole,
        **{f"actscope.signature.{name}": part for name, part in asdict(signature).items() if part},
        **origin(device),
        **belonging,
    }


def _new(shown: Sequence[MetricRow], rows: Iterable[MetricRow]) -> tuple[MetricRow, ...]:
    """Those of the rows whose key and step are not among the ones shown: logged once, all stay."""
    there = {(key, step) for key, _, _, step in shown}
    return tuple(row for row in rows if (row[0], row[3]) not in there)


def _epoch_metrics(series: Mapping[str, "pd.Series[float]"]) -> Iterator[MetricRow]:
    now = _now()
    for name, values in series.items():
        for epoch, value in zip(values.index.tolist(), values, strict=True):
            yield name, float(value), now, epoch


def _metrics(result: RunResult) -> Iterator[MetricRow]:
    now = _now()
    series = by_epoch(result.history)
    yield from _epoch_metrics(series)
    for name, value in final_and_best(series).items():
        yield name, value, now, 0
    for name, value in shares(unit_fates(result.trajectory, result.probe)).items():
        yield name, value, now, 0
    for name, values in thinned_series(result.trajectory).items():
        for step, value in zip(values.index.tolist(), values, strict=True):
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
