"""A study's finished runs as records, out of a store."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow.entities import Run

from actscope.errors import BundleError
from actscope.tracking.errors import store_errors
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.limits import check_limits
from actscope.tracking.packed_tables import PACK_TAG, PACKS
from actscope.tracking.run_record import (
    ARTIFACTS_TAG,
    MetricRow,
    RunRecord,
    logged_artifacts,
    record_of,
    verify_artifacts,
)
from actscope.tracking.store import Store
from actscope.tracking.ui import REPORT

ORIGIN_TAG = "actscope.origin_run"  # id of the run, in the store that trained it
KIND_TAG = "actscope.kind"
PARENT_TAG = "mlflow.parentRunId"
OF_A_STORE = {ARTIFACTS_TAG, PACK_TAG, "mlflow.runName"}  # tags that each store gives its runs
REBUILT = (REPORT, PACKS)  # folders among the artifacts of a sweep's run


@dataclass(frozen=True)
class Export:
    """What of a study travels: its finished points and the sweeps that they stand under.

    `left_out`: how many of its points' runs do not, by status.
    """

    sweeps: list[Run]
    points: list[Run]
    left_out: dict[str, int]


def find_export(store: Store, study: str) -> Export:
    """Look up what of a study can travel, by run id.

    Raises:
        StoreError: there is no such study, or the store cannot be read.
        BundleError: none of its runs is finished.

    """
    experiment_id = store.find_experiment(study).experiment_id
    runs = sorted(actscope_runs(store, experiment_id), key=lambda run: str(run.info.run_id))
    points = [run for run in runs if run.data.tags[KIND_TAG] == "point"]
    finished = [run for run in points if run.info.status == "FINISHED"]
    if not finished:
        raise BundleError(f"study={study}: none of its {len(points)} runs is finished")
    parents = {run.data.tags.get(PARENT_TAG) for run in finished}
    sweeps = [run for run in runs if run.info.run_id in parents]
    left_out = Counter(run.info.status for run in points if run.info.status != "FINISHED")
    return Export(sweeps, finished, dict(sorted(left_out.items())))


def pack(
    store: Store, study: str, run: Run, sweeps: Collection[str], scratch: Path
) -> tuple[RunRecord, Path]:
    """Make a record of a run, with the folder of its artifacts, which may lie in `scratch`.

    `sweeps`: ids of the parent runs that travel with it.

    Raises:
        StoreError: the store cannot be read.
        BundleError: an artifact is not the file that was logged, or no store can hold it.

    """
    record = record_of(run, study)
    is_sweep = record.tags.get(KIND_TAG) == "sweep"
    with store_errors(store.location):
        made_anew = REBUILT if is_sweep else ()
        folder = store.artifact_folder(study, run.info.run_id, scratch, made_anew)
        metrics = sorted(store.metric_rows(run), key=_metric_order)
    artifacts = verify_artifacts(record.name, logged_artifacts(record.tags) or {}, folder)
    if is_sweep:
        # They are made anew wherever the runs are; these alone decide what an archive holds.
        artifacts = {n: h for n, h in artifacts.items() if n.partition("/")[0] not in REBUILT}
    here_only = {*OF_A_STORE, *signs_of_life()}
    if record.tags.get(PARENT_TAG) not in sweeps:
        here_only.add(PARENT_TAG)
    packed = replace(
        record,
        # A sweep may go on while what it has finished travels.
        status="KILLED" if record.status == "RUNNING" else record.status,
        tags={key: value for key, value in record.tags.items() if key not in here_only},
        metrics=tuple(metrics),
        artifacts=artifacts,
    )
    check_limits(packed, f"run {record.name!r}")
    return packed, folder


def actscope_runs(store: Store, experiment_id: str) -> Iterator[Run]:
    """Runs of points and of sweeps."""
    return store.search(experiment_id, "tags.`actscope.kind` LIKE '%'")


def _metric_order(row: MetricRow) -> tuple[str, int, int, str]:
    key, value, timestamp, step = row
    return key, step, timestamp, repr(value)  # as a text NaN has its place too
