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

from actscope.command_line import suggestions
from actscope.errors import ActscopeError, BundleError, StoreError, first_line
from actscope.tracking.errors import (
    HTTP_SERVER_ERROR,
    MLFLOWS,
    STORE_ERRORS,
    disk_fault,
    http_status,
    is_a,
)
from actscope.tracking.run_record import (
    RUN_FILE,
    RunRecord,
    from_json,
    write_record,
)
from actscope.tracking.store import Store

SECONDS_BETWEEN_TRIES = 30.0
DELIVERED = ".delivered-"
HTTP_TOO_MANY = 429
SQLALCHEMYS_OPERATIONAL = "sqlalchemy.exc.OperationalError"

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
    if is_a(error, MLFLOWS):
        # MLflow's code for "database is locked".
        return getattr(error, "error_code", None) == "TEMPORARILY_UNAVAILABLE"
    return isinstance(error, sqlite3.OperationalError) or is_a(error, SQLALCHEMYS_OPERATIONAL)


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
            from actscope.tracking.delivery import deliver_run  # it needs MLflow

            try:
                delivered.append(deliver_run(store, path))
                _remove(path)
            except Exception as error:  # noqa: BLE001 - one run must not stop the others
                problems.append(error)
                if is_unreachable(store, error):
                    break
            on_delivered()
    if problems:
        raise _undelivered(store, folder, len(delivered), problems) from problems[-1]
    return delivered


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
