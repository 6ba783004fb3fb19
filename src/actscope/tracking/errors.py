"""What goes wrong in a store, told as what, where, and what would help."""

import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from actscope.credentials import scrub
from actscope.errors import ActscopeError, StoreError, first_line
from actscope.tracking.location import LocalLocation, Location

# mlflow lets SQLAlchemy's own errors through while it opens a database.
STORE_ERRORS = (OSError, MlflowException, SQLAlchemyError, sqlite3.Error)
HTTP_UNAUTHORIZED, HTTP_FORBIDDEN, HTTP_NOT_FOUND, HTTP_SERVER_ERROR = 401, 403, 404, 500

# Words of the system, of SQLite and of filelock.
FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full")
READ_ONLY = (
    "Read-only file system",
    "Permission denied",
    "Operation not permitted",
    "readonly database",
)
# Of SQLite's: it refuses to write to a file that has lost its name.
NOT_THERE = ("readonly database", "unable to open database file")
DAMAGED = ("not a database", "malformed")
# Of SQLite, PostgreSQL, MySQL, and of MLflow itself.
ALREADY_THERE = ("UNIQUE constraint", "duplicate key", "Duplicate entry", "already exists")
LOCKED = ("database is locked", "could not be acquired")
MAKE_ROOM = "make room and give the same command again, what is finished is kept"
REPLACE_IT = "put a copy of it back, or move it away and run again, which makes a new one"


@contextmanager
def store_errors(store: Location) -> Iterator[None]:
    """Raise what goes wrong in a store as a StoreError: what, where, and what would help."""
    try:
        yield
    except ActscopeError:
        raise
    except (*STORE_ERRORS, ImportError) as error:  # ImportError: of the driver of a database
        lasting = _lasting_fault(store, str(error))
        if lasting is not None:
            # Without its cause, which would have it taken for a store that is away for a while.
            raise lasting from None
        raise StoreError(f"the store {store} {_what_is_wrong(store, error)}") from error


def is_already_there(error: StoreError) -> bool:
    """Whether a store refused to make what another process made a moment before."""
    return any(sign in str(error.__cause__) for sign in ALREADY_THERE)


def is_unknown(error: StoreError) -> bool:
    """Whether a store has no run, or no experiment, of an id that it was asked for."""
    cause = error.__cause__
    return isinstance(cause, MlflowException) and cause.error_code == "RESOURCE_DOES_NOT_EXIST"


def is_missing(error: BaseException) -> bool:
    """Whether a server said that it has no such file, which it does by 404."""
    if http_status(error) == HTTP_NOT_FOUND:
        return True
    return error.__cause__ is not None and is_missing(error.__cause__)


def _lasting_fault(store: Location, text: str) -> StoreError | None:
    """What is wrong with the disk or the file of a store, and what would help, if it is that."""

    def tells_of(signs: tuple[str, ...]) -> bool:
        return any(sign in text for sign in signs)

    if not isinstance(store, LocalLocation):
        return None
    if tells_of(FULL):
        return StoreError(
            f"the store {store} cannot be written: the disk of {store.folder} is full; {MAKE_ROOM}"
        )
    if tells_of(NOT_THERE) and not store.database.exists():
        return is_gone(store)
    if tells_of(READ_ONLY):
        return read_only(store, store.folder)
    if tells_of(DAMAGED):
        return StoreError(
            f"the store {store} cannot be opened: it is damaged or not a database; {REPLACE_IT}"
        )
    return None


def is_gone(store: Location) -> StoreError:
    """That the file of a store was moved or deleted since it was opened."""
    return StoreError(
        f"the store {store} is gone: its file was moved or deleted; put it back, or give the same "
        "command again, which makes a new store"
    )


def disk_fault(folder: Path, error: OSError) -> StoreError:
    """That a folder of ours, which is no store, cannot be written."""
    if any(sign in str(error) for sign in FULL):
        return StoreError(f"{folder} cannot be written: its disk is full; {MAKE_ROOM}")
    return StoreError(f"{folder} cannot be written: {error.strerror or first_line(error)}")


def read_only(store: Location, place: Path) -> StoreError:
    """That a place of a store cannot be written."""
    return StoreError(
        f"the store {store} cannot be written: {place} is read-only, at least for this user; make "
        "it writable, or keep runs elsewhere with tracking.uri=sqlite:////folder/mlflow.db"
    )


def _what_is_wrong(store: Location, error: Exception) -> str:
    """What may pass by itself, or is beyond us."""
    if any(sign in str(error) for sign in LOCKED):
        return (
            "cannot be used: database is locked by another process; wait for it or end it "
            f"(`{shlex.join(['fuser', str(store)])}` names it), and give the same command again"
        )
    if isinstance(error, ImportError):
        return f"needs the Python module {error.name}: install it"
    is_local = isinstance(store, LocalLocation)
    if not is_local and (refusal := _refusal(error)) is not None:
        return refusal
    found = re.search(r"\[Errno -?\d+\] [\w ]+|timed out", str(error))
    told = scrub(first_line(error), store.uri)
    reason = found.group(0) if found else shorten(told, 200, placeholder="...")
    if not is_local and _is_no_answer(error):
        return f"does not answer ({reason}): start it, or correct tracking.uri"
    return f"cannot be used: {reason}"


def _refusal(error: Exception) -> str | None:
    """What a server says no to, and what would help, if it is that."""
    status = http_status(error)
    if status == HTTP_UNAUTHORIZED:
        user = os.environ.get("MLFLOW_TRACKING_USERNAME")
        whom = "whoever gives no name" if user is None else f"the user {user} with this password"
        return (
            f"does not let in {whom}: correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    if status == HTTP_FORBIDDEN:
        said = re.search(r"Response (?:body|text): '?(.*?)'?$", str(error))
        reason = shorten(scrub(said.group(1)), 100, placeholder="...") if said else "403"
        return (
            f"forbids that ({reason}): ask who runs it for the permission, or to have the name by "
            "which you call it among its allowed_hosts"
        )
    return None


def http_status(error: BaseException) -> int:
    """What a server answered, 0 where it is not known, 500 where it was nothing of its own."""
    if isinstance(error, MlflowException):
        return int(error.get_http_status_code())  # type: ignore[no-untyped-call]
    # An artifact's transfer lets errors of the HTTP library through.
    return int(getattr(getattr(error, "response", None), "status_code", 0))


def _is_no_answer(error: Exception) -> bool:
    return isinstance(error, MlflowException) and http_status(error) >= HTTP_SERVER_ERROR
