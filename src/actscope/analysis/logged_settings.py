"""A point's settings as text in the parameters of its run: read and check them.

A run may also have parameters that a user logged. They are no settings.
"""

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from actscope.config import Activation, DataSource, Point, Train
from actscope.errors import ConfigError
from actscope.parsing import parse, parse_activation
from actscope.setting_types import OwnArgument

OWN = "activation."  # the beginning of the names of an activation's own settings
ARGUMENT = "activation.function."
# They change no number, so any value is valid.
FREE = {"study", "data.root"}
# Settings that came later. A run of an older version lacks them, and is as their defaults make it.
LATER = {
    f"{group}.{field.name}": str(field.default)
    for group, kind, earlier in (
        ("data", DataSource, {"root", "arguments"}),
        ("train", Train, {"batch_size", "reduction", "momentum", "weight_decay"}),
    )
    for field in fields(kind)
    if field.default is not MISSING and field.name not in earlier
}
NETWORK = "model._target_"  # only a user's own network has it
OWN_ARGUMENTS = (ARGUMENT, "model.", "data.")  # settings that may have any name


def is_setting(name: str) -> bool:
    """Whether a parameter of this name is a setting of a point."""
    return name in KINDS or name.startswith(OWN_ARGUMENTS)


class Setting(NamedTuple):
    """The value of a text, or its fault and no value."""

    value: Any
    fault: str = ""


@lru_cache(maxsize=100_000)  # most texts occur in many runs
def read_setting(name: str, text: str, *, of_own_network: bool = False) -> Setting:
    """Read a run's parameter as the setting of this name.

    `of_own_network`: the run has a user's own network, whose arguments may have any name.
    """
    kind: Any = OwnArgument if of_own_network and name.startswith("model.") else _kind(name)
    literal = _literal(text)
    for value in (text, literal):
        with suppress(ValidationError):
            return Setting(_adapter(kind).validate_python(value))
    try:
        return Setting(parse(kind, literal, name))
    except ConfigError as error:  # a clearer message of the same error
        return Setting(None, str(error))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _kind(name: str) -> Any:
    return Any if name in FREE else KINDS.get(name, OwnArgument)


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
        kinds = [each for each in (of_field, *get_args(of_field)) if isinstance(each, type)]
        groups = [each for each in kinds if is_dataclass(each)]
        for group in groups:
            yield from _kinds(group, f"{prefix}{name}.")
        if not groups:
            yield f"{prefix}{name}", of_field


def _point_kinds() -> Mapping[str, Any]:
    """The type of each setting, by the name that `parsing.flat_settings` gives it."""
    kinds = dict(_kinds(Point))
    for group in ("activation", "data", "model"):
        del kinds[f"{group}.arguments"]
    kinds[NETWORK] = kinds.pop("model.path")
    kinds["activation"] = kinds.pop("activation.name")
    kinds["activation.function._target_"] = kinds.pop("activation.function")
    kinds["data"] = kinds.pop("data.name")
    return kinds


KINDS = _point_kinds()
