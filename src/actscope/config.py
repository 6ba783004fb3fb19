"""A point of the grid: what it is made of, checked once at the door."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal, Self, TypeVar, cast, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from actscope.credentials import scrub
from actscope.errors import ConfigError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]

MLFLOWS_OWN = "Default"  # an experiment of every store, with no place for a study's artifacts


def _check_study(name: str) -> str:
    if name == MLFLOWS_OWN:
        raise ValueError(f"study={name}: MLflow keeps this name for itself. Choose another.")
    return name


StudyName = Annotated[Name, AfterValidator(_check_study)]
# Strict: seed=1.5 and lr=true are errors, not 1 and 1.0.
Bool = Annotated[bool, Field(strict=True)]
Int = Annotated[int, Field(strict=True)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[Int, Field(ge=1)]
Argument = Bool | Int | Finite | Annotated[str, Field(max_length=64)] | None

LONGEST_NAME = 200
LONG_NUMBER = re.compile(r"\d{4301}")

Parsed = TypeVar("Parsed")

Device = Literal["auto", "cpu", "cuda"]

CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=CLOSED)
class Activation:
    """An elementwise function, by import path and arguments, behind batch normalisation or not."""

    name: Name
    function: Annotated[str, Field(max_length=100)]
    arguments: tuple[tuple[str, Argument], ...] = ()
    batch_norm: Bool = False


@dataclass(frozen=True, config=CLOSED)
class DataSource:
    name: Literal["digits", "mnist", "fashion_mnist", "kmnist"]
    root: Annotated[str, Field(min_length=1, max_length=1000)] | None = None


@dataclass(frozen=True, config=CLOSED)
class Model:
    """A multilayer perceptron: widths of its hidden layers and scale of its initial weights."""

    # As many units and layers as a trajectory's int16 and int8 can number.
    hidden: Annotated[
        tuple[Annotated[Count, Field(le=2**15)], ...], Field(min_length=1, max_length=2**7 - 2)
    ]
    init: Literal["he", "lecun", "xavier", "normal"] = "he"
    init_std: Annotated[Finite, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _init_std_belongs_to_normal(self) -> Self:
        if (self.init == "normal") != (self.init_std is not None):
            raise ValueError("model.init_std: give it with model.init=normal, and only with it")
        return self


@dataclass(frozen=True, config=CLOSED)
class Train:
    """Plain SGD on the cross-entropy, summed or averaged over the minibatch."""

    epochs: Count
    batch_size: Count = 100
    reduction: Literal["sum", "mean"] = "sum"
    momentum: Annotated[Finite, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[Finite, Field(ge=0, le=1)] = 0.0


@dataclass(frozen=True, config=CLOSED)
class Trajectory:
    """How often every unit is recorded, and seen on the probe set: in minibatches, or `epoch`."""

    every: Count | Literal["epoch"] = 1
    probe_every: Count | Literal["epoch"] = 50


@dataclass(frozen=True, config=CLOSED)
class OutcomeRule:
    """Training accuracy over the last tenth of the steps from which a run counts as learned."""

    learned_from: Annotated[Finite, Field(gt=0, le=1)] = 0.5


@dataclass(frozen=True, config=CLOSED)
class Point:
    """One cell of the grid."""

    study: StudyName
    activation: Activation
    lr: Annotated[Finite, Field(gt=0)]
    seed: Annotated[Int, Field(ge=0, lt=2**63)]
    data: DataSource
    model: Model
    train: Train
    trajectory: Trajectory = Trajectory()
    outcome: OutcomeRule = OutcomeRule()

    def __str__(self) -> str:
        lr = str(self.lr).removesuffix(".0")  # in full: points of different rates differ in name
        return f"{self.activation.name} lr={lr} seed={self.seed}"


@dataclass(frozen=True, config=CLOSED)
class Extras:
    """What finished runs carry on request, beside what all of them do."""

    model: Bool = False  # as MLflow loads it, with signature and input example
    plotly: Bool = False  # trajectories.html, which embeds plotly.js


@dataclass(frozen=True, config=CLOSED)
class Tracking:
    """Where runs are kept: an MLflow tracking URI, or the project's own store; and what of them."""

    uri: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        default=None,
        repr=False,  # it may hold a password
    )
    system_metrics: Bool = False  # of the machine that a sweep is begun on
    model: Bool = False
    plotly: Bool = False
    patch: Bool = True  # the uncommitted changes of the project's files, on the sweep's run

    @property
    def extras(self) -> Extras:
        return Extras(self.model, self.plotly)


@dataclass(frozen=True, config=CLOSED)
class SweepRules:
    """How a sweep goes about its points, without a bearing on any number."""

    force: Bool = False
    on_error: Literal["continue", "stop"] = "continue"
    checkpoint_minutes: Annotated[Finite, Field(ge=0)] | None = 5.0
    dry_run: Bool = False


def check_words(words: Iterable[str]) -> None:
    """Check words of a command line for what Hydra would stumble over itself.

    It looks for files by the names of settings, and has Python read numbers of any length.

    Raises:
        ConfigError: a name is missing; it, or a number, is longer than that allows.

    """
    for word in words:
        if word.startswith(("=", "@")):
            raise ConfigError(f"{_shorten(word)}: has no name. Give settings as name=value")
        if len(word.partition("=")[0]) > LONGEST_NAME:
            raise ConfigError(f"{_shorten(scrub(ascii(word)[1:-1]))}: there is no such setting")
        if LONG_NUMBER.search(word):
            raise ConfigError(
                f"{_shorten(scrub(ascii(word)[1:-1]))}: give a number of fewer digits"
            )


def parse_point(config: DictConfig) -> Point:
    """Check a composed configuration and make it a point.

    Raises:
        ConfigError: a setting is missing, unknown or out of range.

    """
    return parse_settings(plain(config))


def parse_settings(settings: Mapping[str, Any]) -> Point:
    """Make plain settings a point: texts are taken as they stand, `${...}` as well.

    Raises:
        ConfigError: a setting is missing, unknown or out of range.

    """
    settings = dict(settings)
    if misplaced := dict(_flattened({"experiment": settings.pop("experiment", {})})):
        name, value = next(iter(misplaced.items()))
        raise ConfigError(
            f"{name}={_shorten(ascii(value))}: sets nothing. Make `# @package _global_` the first "
            "line of the experiment's file"
        )
    for beside_the_point in ("tracking", "sweep", "device"):
        settings.pop(beside_the_point, None)
    settings["activation"] = parse_activation(settings.get("activation"))
    return parse(Point, settings)


def parse_tracking(config: DictConfig) -> Tracking:
    """Check the tracking part of a composed configuration, or raise ConfigError."""
    return parse(Tracking, plain(config).get("tracking"), "tracking")


def parse_sweep(config: DictConfig) -> SweepRules:
    """Check the sweep part of a composed configuration, or raise ConfigError."""
    return parse(SweepRules, plain(config).get("sweep"), "sweep")


def parse_device(config: DictConfig) -> Device:
    """Check the name of the device in a composed configuration, or raise ConfigError."""
    return parse(Device, plain(config).get("device"), "device")  # type: ignore[arg-type]


def parse(kind: type[Parsed], settings: Any, name: str = "") -> Parsed:
    """Make the settings called `name` a `kind`, or raise ConfigError for the first wrong one."""
    try:
        return TypeAdapter(kind).validate_python(settings)
    except ValidationError as error:
        raise ConfigError(_first_wrong(error, kind, settings, name)) from None


def plain(config: DictConfig) -> dict[str, Any]:
    """Resolve a configuration into plain dictionaries, or raise ConfigError."""
    try:
        return cast(
            dict[str, Any], OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        )
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(_shorten(scrub(f"{error.full_key}: {reason}"), 180)) from error


def nested_settings(point: Point) -> dict[str, Any]:
    """All settings of a point as a configuration holds them: what `parse_point` reads."""
    settings = asdict(point)
    activation = settings["activation"]
    arguments = dict(activation.pop("arguments"))
    activation["function"] = {"_target_": activation["function"], **arguments}
    settings["model"]["hidden"] = list(point.model.hidden)
    return settings


def flat_settings(point: Point) -> dict[str, Any]:
    """All settings of a point under the names that the command line uses."""
    settings = nested_settings(point)
    groups = {
        "activation": settings["activation"].pop("name"),
        "data": settings["data"].pop("name"),
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
        raise ConfigError("activation: needs function._target_, the import path of its function")
    given = {key: value for key, value in function.items() if key != "_target_"}
    arguments = parse(dict[str, Argument], given, "activation.function")
    rest = {key: value for key, value in settings.items() if key != "function"}
    if "arguments" in rest:
        raise ConfigError("activation.arguments: give them beside activation.function._target_")
    flat = {**rest, "function": function["_target_"], "arguments": tuple(sorted(arguments.items()))}
    return parse(Activation, flat, "activation")


# What would be right, by the type of pydantic's error, whose context fills the braces.
ADVICE = {
    "bool_type": "give true or false",
    "dataclass_type": "give settings by name",
    "finite_number": "give a finite number",
    "float_type": "give a number",
    "greater_than": "give more than {gt}",
    "greater_than_equal": "give at least {ge}",
    "int_from_float": "give a whole number",
    "int_type": "give a whole number",
    "less_than": "give less than {lt}",
    "less_than_equal": "give at most {le}",
    "literal_error": "choose {expected}",
    "missing": "is missing",
    "string_pattern_mismatch": "give letters, digits, '_', '.' and '-', first a letter or a digit",
    "string_too_long": "give at most {max_length} characters",
    "string_too_short": "give at least {min_length} character",
    "string_type": "give a text",
    "too_long": "give at most {max_length} values",
    "too_short": "give at least {min_length} value",
    "tuple_type": "give a list like [64]",
}


def _first_wrong(error: ValidationError, kind: Any, settings: Any, name: str) -> str:
    """Name the first setting that is wrong, and what would be right."""
    errors = error.errors(include_url=False)
    first = errors[0]
    if first["type"] == "value_error":
        return first["msg"].removeprefix("Value error, ")
    if first["type"] == "unexpected_keyword_argument":
        *group, _ = first["loc"]
        for part in group:
            kind = get_type_hints(kind)[str(part)]
        allowed = ", ".join(field.name for field in fields(kind))
        return f"{_place(first, settings, name)}: there is no such setting; choose one of {allowed}"
    place = _place(first, settings, name)
    # Where a setting may be one thing or another, each has its own error.
    reasons = [_advice(each) for each in errors if _place(each, settings, name) == place]
    given = "" if first["type"] == "missing" else f"={_shorten(scrub(ascii(first['input'])))}"
    return f"{place}{given}: {' or '.join(dict.fromkeys(reasons)).replace('or give', 'or')}"


def _place(error: ErrorDetails, settings: Any, name: str) -> str:
    """Name of the setting as on the command line: `model.hidden[0]`.

    What else pydantic's location holds are the kinds of value that it has tried.
    """
    place = name
    for part in error["loc"]:
        if isinstance(settings, Mapping) and (part in settings or error["type"] == "missing"):
            place, settings = f"{place}.{part}".removeprefix("."), settings.get(part)
        elif isinstance(settings, list | tuple) and isinstance(part, int):
            place, settings = f"{place}[{part}]", settings[part]
        else:
            break
    return _shorten(ascii(place)[1:-1])


def _advice(error: ErrorDetails) -> str:
    limits = {
        key: f"{value:g}" if isinstance(value, float) else value
        for key, value in error.get("ctx", {}).items()
    }
    advice = ADVICE.get(error["type"])
    return advice.format(**limits) if advice else error["msg"]


def _shorten(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
