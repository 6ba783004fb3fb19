"""The offline queue: runs that a store could not take, as files, until it takes them."""

import logging
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from actscope.command_line import suggestions
from actscope.errors import ActscopeError, BundleError, StoreError, first_line
from actscope.tracking.errors import HTTP_SERVER_ERROR, STORE_ERRORS, disk_fault, http_status
from actscope.tracking.limits import check_limits
from actscope.tracking.log_record import ClientRows, deliver, fill_run, log_inputs
from actscope.tracking.run_record import (
    ARTIFACTS,
    RECORD_TAG,
    RUN_FILE,
    RunRecord,
    from_json,
    read_record,
    write_record,
)
from actscope.tracking.store import Store

SECONDS_BETWEEN_TRIES = 30.0
DELIVERED = ".delivered-"
HTTP_TOO_MANY = 429

log = logging.getLogger(__name__)

_next_try: dict[str, float] = {}  # by URI of an unreachable store; time.monotonic
_refusals: set[str] = set()  # reasons that this process has already logged


@dataclass(frozen=True)
class QueueContents:
    """The queued runs of a store: their folders, oldest first, and their studies.

    `damaged`: why other runs of the queue cannot be read.
    """

    waiting: list[Path]
    damaged: Sequence[Exception]
    studies: Collection[str]


def queue_folder(store: Store) -> Path:
    """The folder of a store's queue: next to a local store, in the project for a server."""
    return store.local_folder / "spool"


def is_unreachable(store: Store, error: BaseException) -> bool:
    """Whether an error means that a store cannot be reached at the moment, by any of its causes."""
    if _is_unreachable(store.uri.startswith("http"), error):
        return True
    return error.__cause__ is not None and is_unreachable(store, error.__cause__)


def _is_unreachable(is_server: bool, error: BaseException) -> bool:
    if is_server:
        # A refused connection and a timeout count as 500.
        status = http_status(error)
        return status >= HTTP_SERVER_ERROR or status == HTTP_TOO_MANY
    if isinstance(error, MlflowException):
        # MLflow's code for "database is locked".
        return str(error.error_code) == "TEMPORARILY_UNAVAILABLE"
    return isinstance(error, OperationalError | sqlite3.OperationalError)


@contextmanager
def best_effort(store: Store, otherwise: str) -> Iterator[None]:
    """Ignore a store's refusal of something that a sweep can do without.

    `otherwise`: the consequence, which is logged with the reason.
    """
    try:
        yield
    except STORE_ERRORS as error:
        if not is_unreachable(store, error):
            log.warning("%s: %s", otherwise, in_a_line(error))


def is_known_unreachable(store: Store) -> bool:
    """Whether the store was unreachable a moment ago; then it is not tried again yet."""
    return time.monotonic() < _next_try.get(store.uri, 0)


def note_unreachable(store: Store, error: Exception) -> None:
    """Log that a store is unreachable, and do not try it again for a while."""
    _next_try[store.uri] = time.monotonic() + SECONDS_BETWEEN_TRIES
    log.warning(
        "tracking store %s is unreachable (%s): runs wait in %s. `%s` delivers them.",
        store,
        reason_of(error),
        queue_folder(store),
        suggestions.command("sync", store=store),
    )


def note_refused(store: Store, record: RunRecord, error: Exception) -> None:
    """Log once for each reason that a store refused a run, and where the run waits."""
    if is_unreachable(store, error):
        note_unreachable(store, error)
        return
    reason = in_a_line(error)
    if reason not in _refusals:
        _refusals.add(reason)
        log.warning(
            "%s: the store refused its run, which waits in %s. `%s` delivers it, and others that "
            "are refused for the same reason: %s",
            record.name,
            queue_folder(store),
            suggestions.command("sync", store=store),
            reason,
        )


def reason_of(error: BaseException) -> str:
    """Why a connection failed, without the library's own text around it."""
    found = re.search(r"\[Errno -?\d+\] [\w ]+|database is locked|timed? ?out", str(error))
    return found.group(0) if found else in_a_line(error)[:200]


def in_a_line(error: BaseException) -> str:
    """The first line of an error; of a foreign error with its class."""
    if isinstance(error, ActscopeError):
        return str(error).strip().splitlines()[0]
    return first_line(error)


def enqueue(store: Store, record: RunRecord, artifacts: Path) -> None:
    """Put a run into the queue, complete or not at all.

    Raises:
        StoreError: the queue cannot be written.

    """
    folder = queue_folder(store)
    partial = folder / f".partial-{record.id}"
    try:
        write_record(replace(record, store=store.location.name_in_queue), artifacts, partial)
        partial.rename(folder / record.id)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)  # else the next try would find it
        raise disk_fault(folder, error) from None


def read_queue(store: Store) -> QueueContents:
    """The runs in a queue that belong to a store."""
    found, damaged, studies = [], [], set()
    for path in _record_folders(queue_folder(store)):
        try:
            record = from_json((path / RUN_FILE).read_bytes(), str(path / RUN_FILE))
        except (OSError, BundleError) as error:
            damaged.append(error)
            continue
        if record.store == store.location.name_in_queue:
            found.append((record.started, path))
            studies.add(record.study)
    return QueueContents([path for _, path in sorted(found)], damaged, studies)


def deliver_queued(store: Store, on_delivered: Callable[[], None] = lambda: None) -> list[str]:
    """Write a store's queued runs into it, oldest first; returns their names.

    Each becomes exactly one run, even if this is interrupted and repeated by several processes:
    the id of a run's record is a tag of the run.

    Raises:
        StoreError: the store is unreachable, or a run is damaged or refused. Such runs stay in the
            queue; all others were delivered.

    """
    folder = queue_folder(store)
    if not folder.exists():
        return []
    delivered: list[str] = []
    with FileLock(folder / ".lock"):
        for gone in folder.glob(f"{DELIVERED}*"):
            shutil.rmtree(gone)
        contents = read_queue(store)
        problems: list[Exception] = list(contents.damaged)
        for path in contents.waiting:
            try:
                delivered.append(_deliver(store, path))
            except Exception as error:  # noqa: BLE001 - one run must not stop the others
                problems.append(error)
                if is_unreachable(store, error):
                    break
            on_delivered()
    if problems:
        raise _undelivered(store, folder, len(delivered), problems) from problems[-1]
    return delivered


def _deliver(store: Store, path: Path) -> str:
    """Write one queued run unless that was done before, and remove it; returns its name."""
    record = read_record(path)
    check_limits(record, str(path))
    experiment_id = _experiment_of(store, record)
    query = f"tags.`{RECORD_TAG}` = '{record.id}'"
    statuses = {run.info.run_id: run.info.status for run in store.search(experiment_id, query)}
    if record.status not in statuses.values() and not _is_finished_by_another(
        store, experiment_id, record
    ):
        if record.run_id is not None and statuses.pop(record.run_id, None) == "RUNNING":
            log_inputs(store, record.run_id, record)
            fill_run(store, ClientRows(store), record.run_id, record, path / ARTIFACTS)
        else:
            deliver(store, experiment_id, record, path / ARTIFACTS)
    for run_id, status in statuses.items():
        if status == "RUNNING":  # left by an interrupted delivery
            store.client.delete_run(run_id)
    _remove(path)
    return record.name


def _experiment_of(store: Store, record: RunRecord) -> str:
    """Id of the experiment that holds a record's run or sweep: its study may have been renamed."""
    for run_id in (record.run_id, record.tags.get("mlflow.parentRunId")):
        if run_id is not None and (experiment_id := store.find_experiment_of(run_id)) is not None:
            return experiment_id
    return store.ensure_experiment(record.study)


def _is_finished_by_another(store: Store, experiment_id: str, record: RunRecord) -> bool:
    """Whether another run of the record's sweep has finished its point.

    A worker that was cut off may queue a run whose point another worker was then given.
    """
    signature = record.tags.get("actscope.signature")
    if record.status != "FINISHED" or record.sweep is None or signature is None:
        return False
    query = f"tags.`actscope.signature` = '{signature}' and attributes.status = 'FINISHED'"
    return any(
        run.data.tags.get("actscope.sweep") == record.sweep
        for run in store.search(experiment_id, query)
    )


def _remove(path: Path) -> None:
    """Delete a queued run, after a rename that takes it out of the queue."""
    gone = path.with_name(f"{DELIVERED}{path.name}")
    path.rename(gone)
    shutil.rmtree(gone)


def _record_folders(folder: Path) -> list[Path]:
    """Folders of queued runs, without those that are half-written or half-removed."""
    if not folder.exists():
        return []
    return [p for p in sorted(folder.iterdir()) if p.is_dir() and not p.name.startswith(".")]


def _undelivered(
    store: Store, folder: Path, delivered: int, problems: Sequence[Exception]
) -> StoreError:
    *_, last = problems
    if is_unreachable(store, last):
        return StoreError(
            f"tracking store {store} is unreachable ({reason_of(last)}): {delivered} runs were "
            f"delivered. The others stay in {folder}."
        )
    return StoreError(
        f"{len(problems)} runs in {folder} cannot be delivered, {delivered} others were. The first "
        f"reason: {in_a_line(problems[0])}"
    )
