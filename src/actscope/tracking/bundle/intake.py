"""A study's parcels as runs of a store: all of them or none."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from actscope.errors import BundleError, StoreError
from actscope.tracking.bundle.transfer import KIND_TAG, ORIGIN_TAG, PARENT_TAG, actscope_runs
from actscope.tracking.errors import STORE_ERRORS
from actscope.tracking.heartbeat import is_alive, signs_of_life
from actscope.tracking.offline_queue import in_a_line, spool_folder
from actscope.tracking.run_record import Parcel, log_content, log_inputs, logged_artifacts, open_run
from actscope.tracking.store import Store

Unpack = Callable[[Parcel, Path], None]  # writes a parcel's artifacts into a folder


@dataclass(frozen=True)
class Arrival:
    """Points' runs that an import made, and those that were there before."""

    new: int
    present: int


def take_in(
    store: Store,
    study: str,
    parcels: Callable[[], Iterable[Parcel]],
    unpack: Unpack,
    on_run: Callable[[], None] = lambda: None,
) -> Arrival:
    """Make runs of a study's parcels, but for those that are here, once however often it is done.

    No command counts a run before all are made. Where one cannot be made, all are taken back; what
    a killed import leaves, the next one deletes. `parcels`: gives, each time, sweeps before the
    points that stand under them.

    Raises:
        StoreError: the store cannot be written.
        BundleError: a parcel is not the run of its origin that is here.

    """
    try:
        spool_folder(store).mkdir(parents=True, exist_ok=True)
        # Else a second import, or a delivery, would find the runs of this one half-made.
        with FileLock(spool_folder(store) / ".lock"):
            here, left = _look_up(store, study)
            for parcel in parcels():
                _check_same(parcel, here.get(_origin(parcel)))
            experiment_id = store.ensure_experiment(study)
            _take_back(store, study, left)
            return _import(Importing(store, study, experiment_id, here), parcels, unpack, on_run)
    except STORE_ERRORS as error:
        raise StoreError(
            f"{in_a_line(error)} (an import can be repeated: nothing is made twice)"
        ) from error


@dataclass(frozen=True)
class Present:
    """A run that is here: its id in this store, its kind, and SHA-256 of its artifacts."""

    run_id: str
    kind: str
    artifacts: Mapping[str, str]


@dataclass(frozen=True)
class Importing:
    """An import under way: `here` has the runs of the study by origin, also those that it makes."""

    store: Store
    study: str
    experiment_id: str
    here: dict[str, Present]
    made: list[tuple[str, Parcel]] = field(default_factory=list)  # by id, each without its metrics


def _import(
    to: Importing,
    parcels: Callable[[], Iterable[Parcel]],
    unpack: Unpack,
    on_run: Callable[[], None],
) -> Arrival:
    present = 0
    try:
        for parcel in parcels():
            if _origin(parcel) not in to.here:
                _make(to, parcel, unpack)
            else:
                present += parcel.tags[KIND_TAG] == "point"
            to.here[str(parcel.run_id)] = to.here[_origin(parcel)]
            on_run()
        for run_id, parcel in to.made:
            to.store.client.set_terminated(run_id, parcel.status, parcel.ended)
            to.store.client.set_tag(run_id, KIND_TAG, parcel.tags[KIND_TAG])
    except BaseException:  # Ctrl-C as well
        _take_back(to.store, to.study, [run_id for run_id, _ in to.made])
        raise
    return Arrival(sum(p.tags[KIND_TAG] == "point" for _, p in to.made), present)


def _make(to: Importing, parcel: Parcel, unpack: Unpack) -> None:
    """Make a run with all that it holds but its kind, without which no command knows it."""
    tags = {**parcel.tags, ORIGIN_TAG: _origin(parcel), **signs_of_life()}
    kind = tags.pop(KIND_TAG)
    if PARENT_TAG in tags:
        tags[PARENT_TAG] = to.here[tags[PARENT_TAG]].run_id
    parcel = replace(parcel, tags=tags)
    with TemporaryDirectory(prefix="actscope-") as folder:
        unpack(parcel, Path(folder))
        run_id = str(open_run(to.store, to.experiment_id, parcel).info.run_id)
        done = replace(parcel, tags={KIND_TAG: kind}, metrics=())
        to.made.append((run_id, done))
        to.here[_origin(parcel)] = Present(run_id, kind, parcel.artifacts)
        log_inputs(to.store, run_id, parcel)
        log_content(to.store, run_id, parcel, Path(folder))


def _take_back(store: Store, study: str, run_ids: Iterable[str]) -> None:
    """Delete runs that an import did not get to the end of, with their files on this machine."""
    for run_id in run_ids:
        # Where the store is gone they stay, and the next import finds them.
        with suppress(*STORE_ERRORS):
            # First, since the database on a full disk needs the room.
            store.delete_artifacts(study, run_id)
            store.client.delete_run(run_id)


def _look_up(store: Store, study: str) -> tuple[dict[str, Present], list[str]]:
    """Runs of a study by their origin, and ids of those that an interrupted import left.

    Raises:
        StoreError: another import into the study is at work.

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
            found = Present(run_id, tags[KIND_TAG], logged_artifacts(tags) or {})
            here[tags.get(ORIGIN_TAG, run_id)] = found
    return here, left


def _check_left(study: str, tags: Mapping[str, str]) -> None:
    """Raise StoreError unless the import that opened a run has ended, or is this one."""
    seen = {key.removeprefix("actscope."): value for key, value in tags.items()}
    if seen.get("process") != signs_of_life()["actscope.process"] and is_alive(seen):
        raise StoreError(
            f"study {study}: another import into it is at work on {seen['host']}; wait for its end"
        )


def _check_same(parcel: Parcel, found: Present | None) -> None:
    """Raise BundleError where a run is here that has the origin of another one."""
    if found is None:
        return
    if found.kind != parcel.tags[KIND_TAG]:
        raise BundleError(f"run {parcel.name!r}: here it is a {found.kind}, run {found.run_id}")
    if found.kind != "point":  # a sweep may go on where it is
        return
    for name, sha256 in parcel.artifacts.items():
        if found.artifacts.get(name, sha256) != sha256:
            raise BundleError(
                f"run {parcel.name!r}: its {name} is another than that of run {found.run_id}, "
                "which is here and should be the same run"
            )


def _origin(parcel: Parcel) -> str:
    assert parcel.run_id is not None  # it was packed from a run
    return parcel.tags.get(ORIGIN_TAG, parcel.run_id)
