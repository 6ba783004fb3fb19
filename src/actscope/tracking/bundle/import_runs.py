"""Write a study's records into a store as runs: all of them or none."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from actscope.errors import BundleError, StoreError
from actscope.tracking.bundle.export_runs import KIND_TAG, ORIGIN_TAG, PARENT_TAG, actscope_runs
from actscope.tracking.client_rows import log_content, open_run
from actscope.tracking.errors import STORE_ERRORS
from actscope.tracking.heartbeat import is_alive, signs_of_life
from actscope.tracking.log_record import last_tags
from actscope.tracking.offline_queue import in_a_line, queue_folder
from actscope.tracking.run_record import RunRecord, logged_artifacts
from actscope.tracking.store import Store

Unpack = Callable[[RunRecord, Path], None]  # writes a record's artifacts into a folder


@dataclass(frozen=True)
class ImportSummary:
    """Numbers of points' runs that an import made, and that were in the store before."""

    new: int
    present: int


def import_runs(
    store: Store,
    study: str,
    records: Callable[[], Iterable[RunRecord]],
    unpack: Unpack,
    on_run: Callable[[], None] = lambda: None,
) -> ImportSummary:
    """Write a study's records as runs, except runs that the store has already.

    No command counts a run before all are written. If one cannot be written, all are deleted. The
    next import deletes what a killed import has left. `records`: returns the records, sweeps before
    their points.

    Raises:
        StoreError: the store cannot be written.
        BundleError: the store has a different run with the same origin.

    """
    try:
        queue_folder(store).mkdir(parents=True, exist_ok=True)
        # Without the lock, a second import or a delivery would find unfinished runs of this one.
        with FileLock(queue_folder(store) / ".lock"):
            here, left = _existing_runs(store, study)
            for record in records():
                _check_same(record, here.get(_origin(record)))
            experiment_id = store.ensure_experiment(study)
            _delete(store, study, left)
            return _import(
                RunningImport(store, study, experiment_id, here), records, unpack, on_run
            )
    except STORE_ERRORS as error:
        raise StoreError(
            f"{in_a_line(error)} (an import can be repeated: no run is made twice)"
        ) from error


@dataclass(frozen=True)
class ExistingRun:
    """A run of this store: its id, its kind, and SHA-256 of its artifacts."""

    run_id: str
    kind: str
    artifacts: Mapping[str, str]


@dataclass(frozen=True)
class RunningImport:
    """An import in progress. `here`: the study's runs by origin, with those that it has made."""

    store: Store
    study: str
    experiment_id: str
    here: dict[str, ExistingRun]
    made: list[tuple[str, RunRecord]] = field(
        default_factory=list
    )  # by id, each without its metrics


def _import(
    to: RunningImport,
    records: Callable[[], Iterable[RunRecord]],
    unpack: Unpack,
    on_run: Callable[[], None],
) -> ImportSummary:
    present = 0
    try:
        for record in records():
            if _origin(record) not in to.here:
                _make(to, record, unpack)
            else:
                present += record.tags[KIND_TAG] == "point"
            to.here[str(record.run_id)] = to.here[_origin(record)]
            on_run()
        for run_id, record in to.made:
            to.store.client.set_terminated(run_id, record.status, record.ended)
            to.store.client.set_tag(run_id, KIND_TAG, record.tags[KIND_TAG])
    except BaseException:  # Ctrl-C as well
        _delete(to.store, to.study, [run_id for run_id, _ in to.made])
        raise
    return ImportSummary(sum(p.tags[KIND_TAG] == "point" for _, p in to.made), present)


def _make(to: RunningImport, record: RunRecord, unpack: Unpack) -> None:
    """Write a run without its kind, so that no command counts it yet."""
    tags = {**record.tags, ORIGIN_TAG: _origin(record), **signs_of_life()}
    kind = tags.pop(KIND_TAG)
    if PARENT_TAG in tags:
        tags[PARENT_TAG] = to.here[tags[PARENT_TAG]].run_id
    record = replace(record, tags=tags)
    with TemporaryDirectory(prefix="actscope-") as folder:
        unpack(record, Path(folder))
        run_id = str(open_run(to.store, to.experiment_id, record).info.run_id)
        done = replace(record, tags={KIND_TAG: kind}, metrics=())
        to.made.append((run_id, done))
        to.here[_origin(record)] = ExistingRun(run_id, kind, record.artifacts)
        log_content(to.store, run_id, record, last_tags(record), Path(folder))


def _delete(store: Store, study: str, run_ids: Iterable[str]) -> None:
    """Delete runs of an import that did not finish, with their files on this machine."""
    for run_id in run_ids:
        # If the store is gone they stay, and the next import deletes them.
        with suppress(*STORE_ERRORS):
            # First, since the database on a full disk needs the room.
            store.delete_artifacts(study, run_id)
            store.client.delete_run(run_id)


def _existing_runs(store: Store, study: str) -> tuple[dict[str, ExistingRun], list[str]]:
    """Runs of a study by their origin, and ids of runs that an interrupted import left.

    Raises:
        StoreError: another import into the study is running.

    """
    experiment = store.client.get_experiment_by_name(study)
    if experiment is None:
        return {}, []
    experiment_id, here, left = experiment.experiment_id, {}, []
    imported = store.search(experiment_id, f"tags.`{ORIGIN_TAG}` LIKE '%'")
    own = actscope_runs(store, experiment_id)
    known = {run.info.run_id: run for run in (*own, *imported)}
    for run_id, run in known.items():
        tags, is_open = run.data.tags, run.info.status == "RUNNING"
        if ORIGIN_TAG in tags and (is_open or KIND_TAG not in tags):
            _check_left(study, tags)
            left.append(run_id)
        elif tags[KIND_TAG] == "sweep" or run.info.status == "FINISHED":
            found = ExistingRun(run_id, tags[KIND_TAG], logged_artifacts(tags) or {})
            here[tags.get(ORIGIN_TAG, run_id)] = found
    return here, left


def _check_left(study: str, tags: Mapping[str, str]) -> None:
    """Raise StoreError if another import that opened a run is still running."""
    seen = {key.removeprefix("actscope."): value for key, value in tags.items()}
    if seen.get("process") != signs_of_life()["actscope.process"] and is_alive(seen):
        raise StoreError(
            f"study={study}: another import is running on {seen['host']}. Wait until it ends."
        )


def _check_same(record: RunRecord, found: ExistingRun | None) -> None:
    """Raise BundleError if the store's run of the same origin differs from a record."""
    if found is None:
        return
    if found.kind != record.tags[KIND_TAG]:
        raise BundleError(
            f"run {record.name!r}: in this store it is a {found.kind}, run {found.run_id}"
        )
    if found.kind != "point":  # a sweep may have continued here
        return
    for name, sha256 in record.artifacts.items():
        if found.artifacts.get(name, sha256) != sha256:
            raise BundleError(
                f"run {record.name!r}: its {name} differs from that of run {found.run_id} in this "
                "store, which should be the same run"
            )


def _origin(record: RunRecord) -> str:
    assert record.run_id is not None  # an exported record has it
    return record.tags.get(ORIGIN_TAG, record.run_id)
