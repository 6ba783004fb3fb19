"""Faults of a tracking store as StoreErrors: what is wrong, where, and how to fix it."""

import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any, cast

from actscope.credentials import scrub
from actscope.errors import ActscopeError, StoreError, first_line
from actscope.tracking.location import LocalLocation, Location

STORE_ERRORS = (OSError, sqlite3.Error)  # of a store whose own errors are StoreErrors
# Classes by name, as importing them takes seconds.
MLFLOWS = "mlflow.exceptions.MlflowException"
SQLALCHEMYS = "sqlalchemy.exc.SQLAlchemyError"
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
MAKE_ROOM = "Free some space and run the same command again: finished runs are kept."
REPLACE_IT = "restore a copy of it, or rename it and run again to make a new store."


@contextmanager
def store_errors(location: Location) -> Iterator[None]:
    """Raise every fault of a store as a StoreError."""
    try:
        yield
    except ActscopeError:
        raise
    except Exception as error:
        if not _is_of_a_store(error):
            raise
        lasting = _lasting_fault(location, str(error))
        if lasting is not None:
            # Without a cause, by which is_unreachable would take it for a passing fault.
            raise lasting from None
        raise StoreError(f"the store {location} {_what_is_wrong(location, error)}") from error


def is_a(error: BaseException, kind: str) -> bool:
    """Whether an error has a library's class, by the class's full name, among its own."""
    return any(f"{base.__module__}.{base.__qualname__}" == kind for base in type(error).__mro__)


def _is_of_a_store(error: Exception) -> bool:
    # ImportError: of a database's driver. MLflow lets SQLAlchemy's errors through.
    own = isinstance(error, (*STORE_ERRORS, ImportError))
    return own or is_a(error, MLFLOWS) or is_a(error, SQLALCHEMYS)


def is_already_there(error: StoreError) -> bool:
    """Whether the store refused to make something because another process has just made it."""
    return any(sign in str(error.__cause__) for sign in ALREADY_THERE)


def is_unknown(error: StoreError) -> bool:
    """Whether the store has no run or experiment with the given id."""
    return getattr(error.__cause__, "error_code", None) == "RESOURCE_DOES_NOT_EXIST"


def is_missing(error: BaseException) -> bool:
    """Whether a server answered 404: it has no such file."""
    if http_status(error) == HTTP_NOT_FOUND:
        return True
    return error.__cause__ is not None and is_missing(error.__cause__)


def _lasting_fault(location: Location, text: str) -> StoreError | None:
    """The error to raise if the store's disk or file is at fault."""

    def has_any(signs: tuple[str, ...]) -> bool:
        return any(sign in text for sign in signs)

    if not isinstance(location, LocalLocation):
        return None
    if has_any(FULL):
        return StoreError(
            f"the store {location} cannot be written: the disk of {location.folder} is full. "
            f"{MAKE_ROOM}"
        )
    if has_any(NOT_THERE) and not location.database.exists():
        return is_gone(location)
    if has_any(READ_ONLY):
        return read_only(location, location.folder)
    if has_any(DAMAGED):
        return StoreError(
            f"the store {location} cannot be opened: it is damaged or not a database. "
            f"To go on, {REPLACE_IT}"
        )
    return None


def is_gone(location: Location) -> StoreError:
    """The error for a database that was moved or deleted since it was opened."""
    return StoreError(
        f"the store {location} is gone: its file was moved or deleted. Restore the file, or run "
        "the same command again to make a new store."
    )


def disk_fault(folder: Path, error: OSError) -> StoreError:
    """The error for a folder of actscope's own that cannot be written."""
    if any(sign in str(error) for sign in FULL):
        return StoreError(f"{folder} cannot be written: its disk is full. {MAKE_ROOM}")
    return StoreError(f"{folder} cannot be written: {error.strerror or first_line(error)}")


def read_only(location: Location, place: Path) -> StoreError:
    """The error for a file or folder of a store that this user may not write."""
    return StoreError(
        f"the store {location} cannot be written: {place} is read-only for this user. Make it "
        "writable, or use another store with tracking.uri=sqlite:////folder/mlflow.db."
    )


def _what_is_wrong(location: Location, error: Exception) -> str:
    """The end of a sentence that starts with the store, for faults that may pass by themselves."""
    if any(sign in str(error) for sign in LOCKED):
        return (
            "cannot be used: database is locked by another process. Wait for it or end it "
            f"(`{shlex.join(['fuser', str(location)])}` names it), then run the same command again."
        )
    if isinstance(error, ImportError):
        return f"needs the Python module {error.name}: install it."
    is_local = isinstance(location, LocalLocation)
    if not is_local and (refusal := _refusal(error)) is not None:
        return refusal
    found = re.search(r"\[Errno -?\d+\] [\w ]+|timed out", str(error))
    text = scrub(first_line(error), location.uri)
    reason = found.group(0) if found else shorten(text, 200, placeholder="...")
    if not is_local and _is_no_answer(error):
        return f"does not answer ({reason}): start it, or correct tracking.uri."
    return f"cannot be used: {reason}"


def _refusal(error: Exception) -> str | None:
    """The end of a sentence that starts with a server, if it refused permission."""
    status = http_status(error)
    if status == HTTP_UNAUTHORIZED:
        user = os.environ.get("MLFLOW_TRACKING_USERNAME")
        if user is None:
            needed = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            return f"requires authentication: set {needed}."
        return (
            f"rejects the user {user} or the password: correct MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD."
        )
    if status == HTTP_FORBIDDEN:
        said = re.search(r"Response (?:body|text): '?(.*?)'?$", str(error))
        reason = shorten(scrub(said.group(1)), 100, placeholder="...") if said else "403"
        return (
            f"denies access ({reason}): ask its administrator for the permission, or to add the "
            "server name in your tracking.uri to allowed_hosts."
        )
    return None


def http_status(error: BaseException) -> int:
    """The HTTP status in an error. 0: there is none. 500 also stands for no answer at all."""
    if is_a(error, MLFLOWS):
        return int(cast(Any, error).get_http_status_code())
    # An artifact's transfer lets errors of the HTTP library through.
    return int(getattr(getattr(error, "response", None), "status_code", 0))


def _is_no_answer(error: Exception) -> bool:
    return is_a(error, MLFLOWS) and http_status(error) >= HTTP_SERVER_ERROR
