"""Converts composed configurations to the settings of config.py and back."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from functools import cache
from typing import Any, TypeVar, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from actscope.config import Activation, DataSource, Point, SweepRules, Tracking
from actscope.credentials import scrub
from actscope.errors import ConfigError
from actscope.metric import METRICS_OF_LOSS
from actscope.network_settings import Model, OwnNetwork
from actscope.setting_types import Argument, Device, OwnArgument
from actscope.settings_errors import first_problem, shorten
from actscope.tuning_settings import Search, Tuning

Parsed = TypeVar("Parsed")

# Building a validator takes longer than its use.
_validator: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def parse_point(config: DictConfig) -> Point:
    """Check a composed configuration and convert it to a point.

    Raises:
        ConfigError: a setting is missing, unknown or out of range.

    """
    return parse_settings(plain(config))


def parse_settings(settings: Mapping[str, Any]) -> Point:
    """Convert plain settings to a point. Texts are not interpolated, not even `${...}`.

    Raises:
        ConfigError: a setting is missing, unknown or out of range.

    """
    settings = dict(settings)
    if misplaced := dict(_flattened({"experiment": settings.pop("experiment", {})})):
        name, value = next(iter(misplaced.items()))
        raise ConfigError(
            f"{name}={shorten(ascii(value))}: has no effect. Make `# @package _global_` the first "
            "line of the experiment's file."
        )
    for other in ("tracking", "sweep", "device", "tuning"):
        settings.pop(other, None)
    settings["activation"] = parse_activation(settings.get("activation"))
    for name, parsed in (("model", parse_model), ("data", parse_data)):
        if name in settings:
            settings[name] = parsed(settings[name])
    point = parse(Point, settings)
    if point.train.metric == METRICS_OF_LOSS[point.train.loss][0].name:  # the default
        point = replace(point, train=replace(point.train, metric=None))
    if isinstance(point.model, Model) and point.model.init == "own":
        return point
    return replace(point, activation=replace(point.activation, init=None))  # it has no effect


def parse_tracking(config: DictConfig) -> Tracking:
    """Check the tracking part of a composed configuration, or raise ConfigError."""
    return parse(Tracking, plain(config).get("tracking"), "tracking")


def parse_sweep(config: DictConfig) -> SweepRules:
    """Check the sweep part of a composed configuration, or raise ConfigError."""
    return parse(SweepRules, plain(config).get("sweep"), "sweep")


def parse_tuning(config: DictConfig) -> Tuning | Search | None:
    """Check the tuning part of a composed configuration, or raise ConfigError; None without one."""
    settings = plain(config).get("tuning")
    return None if settings is None else parse_rules(settings)


def parse_rules(settings: Any) -> Tuning | Search:
    """Convert the settings under `tuning`, or raise ConfigError; a search has a space."""
    is_search = isinstance(settings, Mapping) and "space" in settings
    return parse(Search, settings, "tuning") if is_search else parse(Tuning, settings, "tuning")


def parse_device(config: DictConfig) -> Device:
    """Check the name of the device in a composed configuration, or raise ConfigError."""
    return parse(Device, plain(config).get("device"), "device")  # type: ignore[arg-type]


def parse(kind: type[Parsed], settings: Any, name: str = "") -> Parsed:
    """Convert the settings called `name` to a `kind`; raise ConfigError for the first wrong one."""
    try:
        parsed: Parsed = _validator(kind).validate_python(settings)
    except ValidationError as error:
        raise ConfigError(first_problem(error, kind, settings, name)) from None
    return parsed


def plain(config: DictConfig) -> dict[str, Any]:
    """Convert a configuration to plain dictionaries, interpolated, or raise ConfigError."""
    try:
        return cast(
            dict[str, Any], OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        )
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(shorten(scrub(f"{error.full_key}: {reason}"), 180)) from error


def nested_settings(point: Point) -> dict[str, Any]:
    """All settings of a point in the form of a configuration, the inverse of `parse_settings`."""
    settings = asdict(point)
    activation = settings["activation"]
    arguments = dict(activation.pop("arguments"))
    activation["function"] = {"_target_": activation["function"], **arguments}
    if activation["init"] is None:
        del activation["init"]
    arguments = _as_settings(settings["data"].pop("arguments"))
    if point.data.is_own:
        target = {"_target_": settings["data"].pop("name")}
        settings["data"] = {**target, **settings["data"], **arguments}
    if isinstance(point.model, OwnNetwork):
        arguments = _as_settings(point.model.arguments)
        settings["model"] = {"_target_": point.model.path, **arguments}
    else:
        settings["model"]["hidden"] = list(point.model.hidden)
    return settings


def with_settings(point: Point, values: Mapping[str, Any]) -> Point:
    """The point with these settings, by their names on the command line, or raise ConfigError."""
    if set(values) == {"lr"}:
        return replace(point, lr=values["lr"])  # in a hundredth of the time
    settings = nested_settings(point)
    for name, value in values.items():
        *groups, last = name.split(".")
        own = settings
        for group in groups:
            own = own.setdefault(group, {})
        own[last] = value
    return parse_settings(settings)


def _as_settings(arguments: Iterable[tuple[str, OwnArgument]]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in arguments}


def flat_settings(point: Point) -> dict[str, Any]:
    """All settings of a point by their names on the command line."""
    settings = nested_settings(point)
    groups = {
        "activation": settings["activation"].pop("name"),
        "data": settings["data"].pop("_target_" if point.data.is_own else "name"),
    }
    return {**groups, **dict(_flattened(settings))}


def _flattened(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def parse_activation(settings: Any) -> Activation:
    """Check an activation's settings as conf/activation has them, or raise ConfigError."""
    function = settings.get("function") if isinstance(settings, Mapping) else None
    if not isinstance(function, Mapping) or "_target_" not in function:
        raise ConfigError(
            "activation.function._target_: is missing. Give the function's import path."
        )
    given = {key: value for key, value in function.items() if key != "_target_"}
    arguments = parse(dict[str, Argument], given, "activation.function")
    rest = {key: value for key, value in settings.items() if key != "function"}
    if "arguments" in rest:
        raise ConfigError(
            "activation.arguments: unknown setting. Give them in activation.function."
        )
    flat = {**rest, "function": function["_target_"], "arguments": tuple(sorted(arguments.items()))}
    return parse(Activation, flat, "activation")


def parse_data(settings: Any) -> DataSource:
    """Check the settings of data as conf/data has them, or raise ConfigError.

    With `_target_`, the import path of a user's function, the settings that are not actscope's own
    are the function's arguments.
    """
    if not isinstance(settings, Mapping) or "_target_" not in settings:
        return parse(DataSource, settings, "data")
    ours = {field.name for field in fields(DataSource)} - {"name", "arguments"}
    rest = {key: value for key, value in settings.items() if key in ours}
    given = {key: value for key, value in settings.items() if key not in {*ours, "_target_"}}
    arguments = parse(dict[str, OwnArgument], given, "data")
    flat = {**rest, "name": settings["_target_"], "arguments": tuple(sorted(arguments.items()))}
    source = parse(DataSource, flat, "data")
    if not source.is_own:
        raise ConfigError(
            f"data._target_={source.name}: must be an import path. Give data.name={source.name}."
        )
    return source


def parse_model(settings: Any) -> Model | OwnNetwork:
    """Check a model's settings as conf/model has them, or raise ConfigError."""
    if not isinstance(settings, Mapping) or "_target_" not in settings:
        return parse(Model, settings, "model")
    given = {key: value for key, value in settings.items() if key != "_target_"}
    arguments = parse(dict[str, OwnArgument], given, "model")
    return parse(
        OwnNetwork,
        {"path": settings["_target_"], "arguments": tuple(sorted(arguments.items()))},
        "model",
    )
