"""A point's settings as text in the parameters of its run: read and check them.

A run may also have parameters that a user logged. They are no settings.
"""

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple, get_type_hints

from pydantic import TypeAdapter, ValidationError

from actscope.config import Activation, DataSource, Point
from actscope.errors import ConfigError
from actscope.parsing import parse, parse_activation
from actscope.setting_types import Argument

OWN = "activation."  # the beginning of the names of an activation's own settings
ARGUMENT = "activation.function."
# They change no number, so any value is valid.
FREE = {"study", "data.root"}
# Settings that came later. A run of an older version lacks them, and is as their defaults make it.
LATER = {
    f"data.{field.name}": str(field.default)
    for field in fields(DataSource)
    if field.default is not MISSING and field.name != "root"
}


def is_setting(name: str) -> bool:
    """Whether a parameter of this name is a setting of a point."""
    return name in KINDS or name.startswith(ARGUMENT)


class Setting(NamedTuple):
    """The value of a text, or its fault and no value."""

    value: Any
    fault: str = ""


@lru_cache(maxsize=100_000)  # most texts occur in many runs
def read_setting(name: str, text: str) -> Setting:
    """Read a run's parameter as the setting of this name."""
    literal = _literal(text)
    for value in (text, literal):
        with suppress(ValidationError):
            return Setting(_adapter(name).validate_python(value))
    try:
        return Setting(parse(_kind(name), literal, name))
    except ConfigError as error:  # a clearer message of the same error
        return Setting(None, str(error))


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_kind(name))


def _kind(name: str) -> Any:
    return Any if name in FREE else KINDS.get(name, Argument)


def activation_of(params: Mapping[str, object]) -> Activation:
    """The activation in a run's parameters; only its name where the rest is invalid.

    Raises:
        ConfigError: the name is invalid or missing.

    """
    function = {
        name.removeprefix(ARGUMENT): _literal(text)
        for name, text in params.items()
        if name.startswith(ARGUMENT) and isinstance(text, str)
    }
    name, batch_norm = params.get("activation"), params.get("activation.batch_norm") == "True"
    whole = {"name": name, "function": {"_target_": "", **function}, "batch_norm": batch_norm}
    try:
        return parse_activation(whole)
    except ConfigError:
        return parse(Activation, {"name": name, "function": ""}, "activation")


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two: too deep
        return text


def _kinds(kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, of_field in get_type_hints(kind, include_extras=True).items():
        if is_dataclass(of_field):
            assert isinstance(of_field, type)
            yield from _kinds(of_field, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", of_field


def _point_kinds() -> Mapping[str, Any]:
    """The type of each setting, by the name that `parsing.flat_settings` gives it."""
    kinds = dict(_kinds(Point))
    del kinds["activation.arguments"]
    kinds["activation"] = kinds.pop("activation.name")
    kinds["activation.function._target_"] = kinds.pop("activation.function")
    kinds["data"] = kinds.pop("data.name")
    return kinds


KINDS = _point_kinds()
