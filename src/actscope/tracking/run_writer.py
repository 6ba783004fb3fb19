"""Write runs into a store: begin a run, show its progress, finish it or close it as failed."""

import json
import logging
import tempfile
import time
import traceback
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from actscope.artifacts.metrics import Logged, describe, run_metrics
from actscope.artifacts.palette import ACTIVATION_COLOURS
from actscope.artifacts.unit_fates import unit_fates
from actscope.config import Extras, Point
from actscope.credentials import scrub
from actscope.engine.data import Data
from actscope.engine.device import CPU
from actscope.engine.result import RunResult
from actscope.errors import StoreError, first_line
from actscope.metric import four_digits
from actscope.network_settings import OwnNetwork
from actscope.parsing import flat_settings
from actscope.tracking.errors import STORE_ERRORS, store_errors
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.local_store import LocalStore
from actscope.tracking.log_record import fill_run
from actscope.tracking.offline_queue import enqueue, is_known_unreachable, note_refused
from actscope.tracking.packed_tables import PACK_TAG
from actscope.tracking.platform import current_platform
from actscope.tracking.pyfunc_model import save_model
from actscope.tracking.run_index import STACK
from actscope.tracking.run_record import (
    CLASSES_TAG,
    LAYERS_TAG,
    RECORD_TAG,
    Input,
    MetricRow,
    RunRecord,
    canonical,
    hash_artifacts,
)
from actscope.tracking.signature import signature_of
from actscope.tracking.store import Store
from actscope.tracking.sweeps import NO_EXTRAS, Sweep, origin
from actscope.tracking.ui import NOTE, explorer_address

COLOUR = "mlflow.runColor"  # the tag by which the UI colours a run

log = logging.getLogger(__name__)


@dataclass(eq=False)
class OpenRun:
    """A run that is being written. Picklable, so another process can finish it.

    `run_id`: None where the store did not take the run; it then ends in the offline queue.
    `artifact_uri`: where the store wants the artifacts. `shown`: metrics that the store has.
    """

    record: RunRecord
    run_id: str | None = None
    artifact_uri: str | None = None
    extras: Extras = NO_EXTRAS
    shown: list[MetricRow] = field(default_factory=list)


def begin_runs(
    store: Store,
    sweep: Sweep,
    points: Sequence[Point],
    data: Data,
    device: str = CPU,
    stack: str | None = None,
) -> list[OpenRun]:
    """Open a run for each point. A run that the store refuses is trained all the same.

    `device`: the name of what trains them. `stack`: id of the task that trains them.
    """
    first = _now()
    runs = [
        # They start at once, but a millisecond apart they are listed in their order everywhere.
        OpenRun(_first_record(sweep, point, data, device, stack, started), extras=sweep.extras)
        for started, point in enumerate(points, first)
    ]
    for start in range(0, len(runs), store.runs_at_once):
        if not is_known_unreachable(store):
            _open(store, sweep.experiment_id, runs[start : start + store.runs_at_once])
    return runs


def _first_record(
    sweep: Sweep, point: Point, data: Data, device: str, stack: str | None, started: int
) -> RunRecord:
    record_id = uuid.uuid4().hex
    tags = _first_tags(sweep, point, data, device)
    if (colour := ACTIVATION_COLOURS.get(point.activation.name)) is not None:
        tags[COLOUR] = colour
    if stack is not None:
        tags[STACK] = stack
    return RunRecord(
        id=record_id,
        study=point.study,
        name=str(point),
        status="RUNNING",
        started=started,
        sweep=sweep.id,
        tags={**tags, RECORD_TAG: record_id},
        params={key: str(value) for key, value in flat_settings(point).items()},
        inputs=(_input(data),),
    )


def show_progress(store: Store, run: OpenRun, metrics: Iterable[Logged]) -> None:
    """Log metrics of a run in training; each step of a metric is logged once.

    A store that refuses them does not stop the training: finish_run logs them.
    """
    if run.run_id is None or is_known_unreachable(store):
        return
    rows = _not_shown(run, metrics)
    try:
        with store_errors(store.location):
            store.rows.log_metrics(run.run_id, rows)
    except STORE_ERRORS as error:
        log.debug("run %s: its progress is not shown: %s", run.run_id, error)
    else:
        run.shown.extend(rows)


def finish_run(
    store: Store,
    run: OpenRun,
    result: RunResult,
    folder: Path,
    pack: str | None = None,
) -> None:
    """Log a run's metrics and artifacts and close it as FINISHED.

    Where the store refuses the run, it goes into the offline queue.
    `folder`: the run's artifacts; a model for MLflow is added. `pack`: of log_packed_tables.

    Raises:
        StoreError: neither the store nor the queue takes the run.

    """
    fates = unit_fates(result.trajectory, result.probe)
    note = describe(result, fates, _link(store, run.record))
    tags = {"actscope.outcome": str(result.outcome), NOTE: note}
    if isinstance(result.point.model, OwnNetwork):
        tags[LAYERS_TAG] = canonical(result.layer_names)
    # MLflow's table shows all digits of a metric, as many as fit.
    if digits := four_digits(result.test_final, result.validation_final):
        tags[f"actscope.{result.point.train.judged_by.name}"] = digits
    if pack is not None:
        tags[PACK_TAG] = pack
    if result.diverged_at is not None:
        tags["actscope.diverged_at"] = str(result.diverged_at)
    if run.extras.model:
        tags |= save_model(result, folder)
    _end(store, run, "FINISHED", tags, folder, run_metrics(result, fates))


def fail_run(store: Store, run: OpenRun, error: Exception) -> None:
    """Close a run as FAILED with its reason, and with the traceback as an artifact.

    Where the store refuses the run, it goes into the offline queue.
    """
    with tempfile.TemporaryDirectory(prefix="actscope-") as folder:
        text = scrub("".join(traceback.format_exception(error)), store.uri)
        (Path(folder) / "traceback.txt").write_text(text)
        _end(store, run, "FAILED", {"actscope.reason": first_line(error)[:500]}, Path(folder))


def _open(store: Store, experiment_id: str, runs: Sequence[OpenRun]) -> None:
    try:
        with store_errors(store.location):
            opened = store.rows.open_runs(experiment_id, [run.record for run in runs])
    except Exception as error:  # noqa: BLE001 - whatever the store's fault is, the points are trained
        note_refused(store, runs[0].record, error)
    else:
        for run, (run_id, address) in zip(runs, opened, strict=True):
            # From here on the record goes into this run, now or when the store answers again.
            run.record = replace(run.record, run_id=run_id)
            run.run_id, run.artifact_uri = run_id, address


def _end(
    store: Store,
    run: OpenRun,
    status: Literal["FINISHED", "FAILED"],
    tags: Mapping[str, str],
    folder: Path,
    metrics: Iterable[Logged] = (),
) -> None:
    record = replace(
        run.record,
        status=status,
        ended=_now(),
        tags={**run.record.tags, **tags},
        metrics=_not_shown(run, metrics),
        artifacts=hash_artifacts(folder),
    )
    whole = replace(record, metrics=(*run.shown, *record.metrics))
    if run.run_id is None or run.artifact_uri is None or is_known_unreachable(store):
        enqueue(store, whole, folder)
        return
    try:
        with store_errors(store.location):
            fill_run(store, run.run_id, record, folder, run.artifact_uri)
    except Exception as error:  # noqa: BLE001 - whatever the store's fault is, the run is kept
        _enqueue_refused(store, whole, folder, error)


def _enqueue_refused(store: Store, record: RunRecord, folder: Path, error: Exception) -> None:
    """Queue a run that its store has refused; where that fails as well, raise the refusal."""
    try:
        enqueue(store, record, folder)
    except StoreError as second:
        log.warning("%s: its run cannot be queued either: %s", record.name, second)
        raise error from None
    note_refused(store, record, error)


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
        **origin(),
        "actscope.platform": json.dumps(current_platform(device)),
        **({CLASSES_TAG: str(data.classes)} if data.classes else {}),
        **belonging,
    }


def _link(store: Store, record: RunRecord) -> str:
    """A link to a run's units. Only `actscope ui` has the reports, and it serves local stores."""
    if not isinstance(store, LocalStore):
        return ""
    address = explorer_address(record.study, record.tags["actscope.signature.config"])
    return f"[Its units, step by step]({address})"


def _not_shown(run: OpenRun, metrics: Iterable[Logged]) -> tuple[MetricRow, ...]:
    """Rows of the metrics that the store does not have yet."""
    shown = {(key, step) for key, _, _, step in run.shown}
    now = _now()
    return tuple(
        (name, value, now, step) for name, value, step in metrics if (name, step) not in shown
    )


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
