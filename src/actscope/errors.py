"""What a user can get wrong or meet; anything else that is raised is our own bug."""

from actscope.credentials import scrub


class ActscopeError(Exception):
    """Base of all errors that end as one line on the screen."""

    exit_code = 1


class ConfigError(ActscopeError, ValueError):
    """A setting is missing, unknown or out of range."""

    exit_code = 2


class DataError(ActscopeError, OSError):
    """A data set is missing, damaged or not the one it should be."""

    exit_code = 2


class StoreError(ActscopeError, OSError):
    """The tracking store cannot be opened, read or written."""


class MissingStudyError(StoreError):
    """The tracking store, if there is one, has no such study."""


class ClusterError(ActscopeError, RuntimeError):
    """A Dask cluster cannot be reached or started, or its workers cannot train these points."""


class BundleError(ActscopeError, ValueError):
    """A bundle, or a parcel in the spool, is damaged, unsafe or of a kind that is not known."""


class TrainingError(ActscopeError, RuntimeError):
    """The code of a user's own activation has failed in a way that would end the process."""


class LibraryError(ActscopeError, ImportError):
    """A library that is installed cannot be imported."""


class SweepError(ActscopeError, RuntimeError):
    """Some points of a sweep did not finish."""


class ReportError(ActscopeError, RuntimeError):
    """A report cannot be built from what the store holds."""


def of_system(error: OSError) -> StoreError:
    """What the system refused, and where, in a line."""
    reason = error.strerror or first_line(error)
    return StoreError(f"{error.filename}: {reason}" if error.filename else reason)


def first_line(error: BaseException) -> str:
    """Kind and first line of an error, for a tag or a line on the screen, without credentials."""
    lines = scrub(str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
