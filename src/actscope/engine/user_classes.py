"""Imports what a user names by its path, and turns what the user's code raises into ConfigError."""

import inspect
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from torch import nn

from actscope.errors import ConfigError, first_line
from actscope.runtime import signals

# Errors of torch for arguments or inputs of the wrong type.
MISUSED = (RuntimeError, TypeError, ValueError, IndexError, AssertionError)


def import_module_class(path: str, setting: str) -> type[nn.Module]:
    """Import a class of torch modules; `setting` begins the messages.

    Raises:
        ConfigError: it cannot be imported, or is not a class of torch modules.

    """
    kind = import_by_path(path, setting)
    if not (inspect.isclass(kind) and issubclass(kind, nn.Module)):
        raise ConfigError(f"{setting}: {path} is not a class of torch modules")
    return kind


def import_by_path(path: str, setting: str) -> Any:
    """Import a module's class or function, or raise ConfigError; `setting` begins the messages."""
    absent = f"{setting}: there is no {path!r} to import"
    if not all(part.isidentifier() for part in re.split("[.:]", path)):
        raise ConfigError(absent)
    with config_errors(setting, f"{path} cannot be imported"):
        try:
            return _resolve(path)
        except (ModuleNotFoundError, AttributeError) as error:
            # An error in the module's own code names something that is not part of the path.
            if str(error.name).rpartition(".")[2] not in re.split("[.:]", path):
                raise
            raise ConfigError(absent) from None


def _resolve(path: str) -> object:
    try:
        return pkgutil.resolve_name(path)
    except AttributeError:
        # resolve_name hides why a module cannot be imported, such as a missing package.
        import_module(path.replace(":", ".").rpartition(".")[0])
        raise


@contextmanager
def config_errors(setting: str, what: str) -> Iterator[None]:
    """Raise ConfigError for everything that a class raises, even SystemExit, but not for Ctrl-C."""
    with signals.sigint_received() as received:
        try:
            yield
        except ConfigError:
            raise
        except BaseException as error:
            if received or isinstance(error, signals.Signalled):
                raise
            reason = short(error) if isinstance(error, MISUSED) else first_line(error)[:80]
            raise ConfigError(f"{setting}: {what}: {reason}") from None


def short(error: BaseException, most: int = 80) -> str:
    """The first line of an error's text, cut."""
    return str(error).partition("\n")[0][:most]
