"""A study's finished runs as parcels, out of one store and into another."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock
from mlflow.entities import Run

from actscope.errors import BundleError, StoreError
from actscope.tracking.faults import STORE_ERRORS, store_errors
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.packs import PACK_TAG, PACKS
from actscope.tracking.parcel import (
    ARTIFACTS_TAG,
    MetricRow,
    Parcel,
    deliver,
    logged_artifacts,
    parcel_of,
    verify_artifacts,
)
from actscope.tracking.reading import fetch_artifact, read_in_order, search
from actscope.tracking.reports import REPORT
from actscope.tracking.spool import in_a_line, spool_folder
from actscope.tracking.store import Store, connected, ensure_experiment, find_experiment

ORIGIN_TAG = "actscope.origin_run"  # id of the run, in the store that trained it
KIND_TAG = "actscope.kind"
PARENT_TAG = "mlflow.parentRunId"
MADE_ANEW = (REPORT, PACKS)  # folders among the artifacts of a sweep's run

Unpack = Callable[[Parcel, Path], None]  # writes a parcel's artifacts into a folder


@dataclass(frozen=True)
class Shipment:
    """What of a study travels: its finished points and the sweeps that they stand under.

    `left_out`: how many of its points' runs do not, by status.
    """

    sweeps: list[Run]
    points: list[Run]
    left_out: dict[str, int]


@dataclass(frozen=True)
class Arrival:
    """Points' runs that an import made, and those that were there before."""

    new: int
    present: int


def find_shipment(store: Store, study: str) -> Shipment:
    """Look up what of a study can travel, by run id.

    Raises:
        StoreError: there is no such study, or the store cannot be read.
        BundleError: none of its runs is finished.

    """
    experiment_id = find_experiment(store, study).experiment_id
    runs = sorted(_runs(store, experiment_id), key=lambda run: str(run.info.run_id))
    points = [run for run in runs if run.data.tags[KIND_TAG] == "point"]
    finished = [run for run in points if run.info.status == "FINISHED"]
    if not finished:
        raise BundleError(f"study={study}: none of its {len(points)} runs is finished")
    parents = {run.data.tags.get(PARENT_TAG) for run in finished}
    sweeps = [run for run in runs if run.info.run_id in parents]
    left_out = Counter(run.info.status for run in points if run.info.status != "FINISHED")
    return Shipment(sweeps, finished, dict(sorted(left_out.items())))


def pack(
    store: Store, study: str, run: Run, sweeps: Collection[str], scratch: Path
) -> tuple[Parcel, Path]:
    """Make a parcel of a run, with the folder of its artifacts, which may lie in `scratch`.

    `sweeps`: ids of the parent runs that travel with it.

    Raises:
        StoreError: the store cannot be read.
        BundleError: an artifact is not the file that was logged.

    """
    parcel = parcel_of(run, study)
    with store_errors(store):
        folder = _artifact_folder(store, parcel, scratch)
        metrics = sorted(_metrics(store, run), key=_metric_order)
    artifacts = verify_artifacts(parcel.name, logged_artifacts(parcel.tags) or {}, folder)
    if parcel.tags.get(KIND_TAG) == "sweep":
        # They are made anew wherever the runs are; these alone decide what an archive holds.
        artifacts = {n: h for n, h in artifacts.items() if n.partition("/")[0] not in MADE_ANEW}
    here_only = {ARTIFACTS_TAG, PACK_TAG, *signs_of_life()}
    if parcel.tags.get(PARENT_TAG) not in sweeps:
        here_only.add(PARENT_TAG)
    return replace(
        parcel,
        # A sweep may go on while what it has finished travels.
        status="KILLED" if parcel.status == "RUNNING" else parcel.status,
        tags={key: value for key, value in parcel.tags.items() if key not in here_only},
        metrics=tuple(metrics),
        artifacts=artifacts,
    ), folder


def take_in(
    store: Store,
    study: str,
    parcels: Iterable[Parcel],
    unpack: Unpack,
    on_run: Callable[[], None] = lambda: None,
) -> Arrival:
    """Make runs of a study's parcels, but for those that are here, once however often it is done.

    `parcels`: sweeps before the points that stand under them.

    Raises:
        StoreError: the store cannot be written; what was made until then stays.

    """
    points = {"new": 0, "present": 0}
    try:
        experiment_id = ensure_experiment(store, study)
        spool_folder(store).mkdir(parents=True, exist_ok=True)
        # Else a second import, or a delivery, would find the runs of this one half-made.
        with FileLock(spool_folder(store) / ".lock"):
            here = _present(store, experiment_id)
            for parcel in parcels:
                origin = _origin(parcel)
                is_new = origin not in here
                if is_new:
                    here[origin] = _take(store, experiment_id, parcel, here, unpack)
                here[str(parcel.run_id)] = here[origin]
                points["new" if is_new else "present"] += parcel.tags[KIND_TAG] == "point"
                on_run()
    except STORE_ERRORS as error:
        raise StoreError(
            f"{in_a_line(error)} ({points['new']} runs were imported; importing again goes on)"
        ) from error
    return Arrival(**points)


def _take(
    store: Store, experiment_id: str, parcel: Parcel, here: dict[str, str], unpack: Unpack
) -> str:
    tags = {**parcel.tags, ORIGIN_TAG: _origin(parcel)}
    if PARENT_TAG in tags:
        tags[PARENT_TAG] = here[tags[PARENT_TAG]]
    with TemporaryDirectory(prefix="actscope-") as folder:
        unpack(parcel, Path(folder))
        return deliver(store, experiment_id, replace(parcel, tags=tags), Path(folder))


def _present(store: Store, experiment_id: str) -> dict[str, str]:
    """Runs of a study by their origin, without what an interrupted import left, which goes."""
    here = {}
    for run in _runs(store, experiment_id):
        run_id, tags = str(run.info.run_id), run.data.tags
        if run.info.status == "RUNNING" and ORIGIN_TAG in tags:
            store.client.delete_run(run_id)
        else:
            here[tags.get(ORIGIN_TAG, run_id)] = run_id
    return here


def _origin(parcel: Parcel) -> str:
    assert parcel.run_id is not None  # it was packed from a run
    return parcel.tags.get(ORIGIN_TAG, parcel.run_id)


def _runs(store: Store, experiment_id: str) -> Iterator[Run]:
    """Runs of points and of sweeps."""
    return search(store, experiment_id, "tags.`actscope.kind` LIKE '%'")


def _artifact_folder(store: Store, parcel: Parcel, scratch: Path) -> Path:
    assert parcel.run_id is not None
    if store.folder is not None:
        return fetch_artifact(store, parcel.study, parcel.run_id, ".")
    if parcel.tags.get(KIND_TAG) != "sweep":
        return Path(store.client.download_artifacts(parcel.run_id, "", str(scratch)))
    for item in store.client.list_artifacts(parcel.run_id):
        if item.path not in MADE_ANEW:
            store.client.download_artifacts(parcel.run_id, item.path, str(scratch))
    return scratch


def _metrics(store: Store, run: Run) -> Iterator[MetricRow]:
    """Every value of every metric; of a store on this machine by one query, not one a metric."""
    if store.database is None:
        read = partial(store.client.get_metric_history, run.info.run_id)
        for metrics in read_in_order(store, read, run.data.metrics):
            for metric in metrics:
                yield metric.key, metric.value, metric.timestamp, metric.step
        return
    query = "SELECT key, value, is_nan, timestamp, step FROM metrics WHERE run_uuid = ?"
    with connected(store) as database:
        for key, value, is_nan, timestamp, step in database.execute(query, [run.info.run_id]):
            yield key, math.nan if is_nan else value, timestamp, step


def _metric_order(row: MetricRow) -> tuple[str, int, int, str]:
    key, value, timestamp, step = row
    return key, step, timestamp, repr(value)  # as a text NaN has its place too
