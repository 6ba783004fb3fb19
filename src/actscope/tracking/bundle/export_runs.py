"""Read a study's finished runs from a store, as records."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow.entities import Run

from actscope.errors import BundleError
from actscope.tracking.client_rows import record_of
from actscope.tracking.errors import store_errors
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.limits import check_limits
from actscope.tracking.packed_tables import PACK_TAG, PACKS
from actscope.tracking.run_record import (
    ARTIFACTS_TAG,
    MetricRow,
    RunRecord,
    logged_artifacts,
    verify_artifacts,
)
from actscope.tracking.store import Store
from actscope.tracking.ui import REPORT

ORIGIN_TAG = "actscope.origin_run"  # id of the run, in the store that trained it
KIND_TAG = "actscope.kind"
PARENT_TAG = "mlflow.parentRunId"
OF_A_STORE = {ARTIFACTS_TAG, PACK_TAG, "mlflow.runName"}  # tags that each store sets itself
REBUILT = (REPORT, PACKS)  # folders among the artifacts of a sweep's run


@dataclass(frozen=True)
class Export:
    """The runs of a study to export: finished points and the sweeps that are their parents.

    `left_out`: numbers of other points' runs by status.
    """

    sweeps: list[Run]
    points: list[Run]
    left_out: dict[str, int]


def find_export(store: Store, study: str) -> Export:
    """Find the runs of a study to export, sorted by run id.

    Raises:
        StoreError: there is no such study, or the store cannot be read.
        BundleError: no run is finished.

    """
    experiment_id = store.find_experiment(study).experiment_id
    runs = sorted(actscope_runs(store, experiment_id), key=lambda run: str(run.info.run_id))
    points = [run for run in runs if run.data.tags[KIND_TAG] == "point"]
    finished = [run for run in points if run.info.status == "FINISHED"]
    if not finished:
        raise BundleError(
            f"study={study}: none of its {len(points)} runs is finished. Train it first."
        )
    parents = {run.data.tags.get(PARENT_TAG) for run in finished}
    sweeps = [run for run in runs if run.info.run_id in parents]
    left_out = Counter(run.info.status for run in points if run.info.status != "FINISHED")
    return Export(sweeps, finished, dict(sorted(left_out.items())))


def export_run(
    store: Store, study: str, run: Run, sweeps: Collection[str], scratch: Path
) -> tuple[RunRecord, Path]:
    """The record of a run, and the folder of its artifacts, which may be `scratch`.

    `sweeps`: ids of the parent runs that are exported too.

    Raises:
        StoreError: the store cannot be read.
        BundleError: an artifact is missing or has changed, or no store can hold the run.

    """
    record = record_of(run, study)
    is_sweep = record.tags.get(KIND_TAG) == "sweep"
    with store_errors(store.location):
        made_anew = REBUILT if is_sweep else ()
        folder = store.artifact_folder(study, run.info.run_id, scratch, made_anew)
        metrics = sorted(store.metric_rows(run), key=_metric_order)
    artifacts = verify_artifacts(record.name, logged_artifacts(record.tags) or {}, folder)
    if is_sweep:
        # They are made again from the runs, and only the runs decide the bytes of an archive.
        artifacts = {n: h for n, h in artifacts.items() if n.partition("/")[0] not in REBUILT}
    here_only = {*OF_A_STORE, *signs_of_life()}
    if record.tags.get(PARENT_TAG) not in sweeps:
        here_only.add(PARENT_TAG)
    exported = replace(
        record,
        # A sweep may still be running.
        status="KILLED" if record.status == "RUNNING" else record.status,
        tags={key: value for key, value in record.tags.items() if key not in here_only},
        metrics=tuple(metrics),
        artifacts=artifacts,
    )
    check_limits(exported, f"run {record.name!r}")
    return exported, folder


def actscope_runs(store: Store, experiment_id: str) -> Iterator[Run]:
    """Runs of points and of sweeps."""
    return store.search(experiment_id, "tags.`actscope.kind` LIKE '%'")


def _metric_order(row: MetricRow) -> tuple[str, int, int, str]:
    key, value, timestamp, step = row
    return key, step, timestamp, repr(value)  # as text, since NaN has no order
