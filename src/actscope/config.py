"""A point of the grid: what it is made of, checked once at the door, and its signature."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self, TypeVar, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from actscope.errors import ConfigError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Count = Annotated[int, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Argument = bool | int | Finite | Annotated[str, Field(max_length=64)] | None

Parsed = TypeVar("Parsed")

# Strict: seed=1.5 and lr=true are errors, not 1 and 1.0.
checked = dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))


@checked
class Activation:
    """An elementwise function, by import path and arguments, behind batch normalisation or not."""

    name: Name
    function: Annotated[str, Field(max_length=200)]
    arguments: tuple[tuple[str, Argument], ...] = ()
    batch_norm: bool = False


@checked
class DataSource:
    name: Literal["digits", "mnist", "fashion_mnist", "kmnist"]
    root: Annotated[str, Field(min_length=1, max_length=1000)] | None = None


@checked
class Model:
    """A multilayer perceptron: widths of its hidden layers and scale of its initial weights."""

    hidden: Annotated[tuple[Count, ...], Field(min_length=1)]
    init: Literal["he", "lecun", "xavier", "normal"] = "he"
    init_std: Annotated[Finite, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _init_std_belongs_to_normal(self) -> Self:
        if (self.init == "normal") != (self.init_std is not None):
            raise ValueError("model.init_std: give it with model.init=normal, and only with it")
        return self


@checked
class Train:
    """Plain SGD on the cross-entropy, summed or averaged over the minibatch."""

    epochs: Count
    batch_size: Count = 100
    reduction: Literal["sum", "mean"] = "sum"
    momentum: Annotated[Finite, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[Finite, Field(ge=0)] = 0.0


@checked
class Trajectory:
    """How often every unit is recorded: each so many minibatches, or once an epoch."""

    every: Count | Literal["epoch"] = 1


@checked
class OutcomeRule:
    """Training accuracy over the last tenth of the steps from which a run counts as learned."""

    learned_from: Annotated[Finite, Field(gt=0, le=1)] = 0.5


@checked
class Point:
    """One cell of the grid."""

    study: Name
    activation: Activation
    lr: Annotated[Finite, Field(gt=0)]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    data: DataSource
    model: Model
    train: Train
    trajectory: Trajectory = Trajectory()
    outcome: OutcomeRule = OutcomeRule()

    def __str__(self) -> str:
        return f"{self.activation.name} lr={self.lr:g} seed={self.seed}"


@checked
class Tracking:
    """Where runs are kept: an MLflow tracking URI, or the project's own store."""

    uri: Annotated[str, Field(min_length=1, max_length=1000)] | None = None


def parse_point(config: DictConfig) -> Point:
    """Check a composed configuration and make it a point.

    Raises:
        ConfigError: a setting is missing, unknown or out of range.

    """
    settings = plain(config)
    settings.pop("tracking", None)
    settings.pop("experiment", None)
    settings["activation"] = _parse_activation(settings.get("activation"))
    model = settings.get("model")
    if isinstance(model, dict) and isinstance(model.get("hidden"), list):
        model["hidden"] = tuple(model["hidden"])
    return parse(Point, settings)


def parse_tracking(config: DictConfig) -> Tracking:
    """Check the tracking part of a composed configuration, or raise ConfigError."""
    return parse(Tracking, plain(config).get("tracking"))


def parse(kind: type[Parsed], settings: Any) -> Parsed:
    """Make `settings` a `kind`; the first thing that is wrong becomes the line of a ConfigError."""
    try:
        return TypeAdapter(kind).validate_python(settings)
    except ValidationError as error:
        raise ConfigError(_first_line(error)) from None


def plain(config: DictConfig) -> dict[str, Any]:
    """Resolve a configuration into plain dictionaries, or raise ConfigError."""
    try:
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from error


def settings_of(point: Point) -> dict[str, Any]:
    """All settings of a point, flat, under the names that the command line uses."""
    function = {"_target_": point.activation.function, **dict(point.activation.arguments)}
    return {
        "study": point.study,
        "activation": point.activation.name,
        **{f"activation.function.{key}": value for key, value in function.items()},
        "activation.batch_norm": point.activation.batch_norm,
        "lr": point.lr,
        "seed": point.seed,
        "data": point.data.name,
        **{
            f"{group}.{key}": list(value) if isinstance(value, tuple) else value
            for group in ("model", "train", "trajectory", "outcome")
            for key, value in asdict(getattr(point, group)).items()
        },
    }


def config_hash(point: Point) -> str:
    """SHA-256 of all settings that can change a number: not the study's name, not where data lies."""
    settings = asdict(point)
    del settings["study"]
    del settings["data"]["root"]
    return sha256_of(settings)


def sha256_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _parse_activation(settings: Any) -> Activation:
    function = settings.get("function") if isinstance(settings, Mapping) else None
    if not isinstance(function, Mapping) or "_target_" not in function:
        raise ConfigError("activation: needs function._target_, the import path of its function")
    arguments = {key: value for key, value in function.items() if key != "_target_"}
    rest = {key: value for key, value in settings.items() if key != "function"}
    flat = {**rest, "function": function["_target_"], "arguments": tuple(sorted(arguments.items()))}
    return parse(Activation, flat)


def _first_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"] if isinstance(part, str) and part.islower())
    given = "" if isinstance(first["input"], dict) else f"={_shorten(first['input'])}"
    reason = first["msg"].removeprefix("Value error, ")
    return f"{where}{given}: {reason}" if where else reason


def _shorten(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
