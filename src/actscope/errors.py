"""Errors that a user can cause or meet. Any other exception is a bug of actscope."""

from actscope.credentials import scrub


class ActscopeError(Exception):
    """Base of all errors that are printed as one line."""

    exit_code = 1


class ConfigError(ActscopeError, ValueError):
    """A setting is missing, unknown or out of range."""

    exit_code = 2


class DataError(ActscopeError, OSError):
    """A data set is missing, damaged, or not the genuine one."""

    exit_code = 2


class StoreError(ActscopeError, OSError):
    """The tracking store cannot be opened, read or written."""


class MissingStudyError(StoreError):
    """The tracking store has no such study, or does not exist."""


class ClusterError(ActscopeError, RuntimeError):
    """A Dask cluster cannot be reached or started, or its workers cannot train these points."""


class BundleError(ActscopeError, ValueError):
    """A bundle or a queued run is damaged, unsafe, or of an unknown kind."""


class TrainingError(ActscopeError, RuntimeError):
    """The code of a user's own activation tried to end the process."""


class LibraryError(ActscopeError, ImportError):
    """An installed library cannot be imported."""


class SweepError(ActscopeError, RuntimeError):
    """Some points of a sweep did not finish."""


class ReportError(ActscopeError, RuntimeError):
    """A report cannot be built from the runs in the store."""


def of_system(error: OSError) -> StoreError:
    """Convert an error of the operating system to one line: file and reason."""
    reason = error.strerror or first_line(error)
    return StoreError(f"{error.filename}: {reason}" if error.filename else reason)


def first_line(error: BaseException) -> str:
    """Type and first line of an error, without credentials, for a tag or a message."""
    lines = scrub(str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
