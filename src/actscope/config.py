"""The settings of a point, of tracking and of a sweep; each is checked once, when it is read."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self, TypeVar, cast

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

from actscope.credentials import scrub
from actscope.errors import ConfigError
from actscope.settings_errors import first_problem, shorten

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]

MLFLOWS_OWN = "Default"  # every store has this experiment, with another folder of artifacts


def _check_study(name: str) -> str:
    if name == MLFLOWS_OWN:
        raise ValueError(f"study={name}: MLflow reserves this name. Choose another one.")
    return name


def _check_validation(given: float) -> float:
    if given < 0 or (isinstance(given, float) and given >= 1):
        raise ValueError(f"data.validation={given}: must be a share under 1 or a number of images.")
    return given or 0  # 0.0 is none as well


StudyName = Annotated[Name, AfterValidator(_check_study)]
# Strict: seed=1.5 and lr=true are errors, not 1 and 1.0.
Bool = Annotated[bool, Field(strict=True)]
Int = Annotated[int, Field(strict=True)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[Int, Field(ge=1)]
Argument = Bool | Int | Finite | Annotated[str, Field(max_length=64)] | None

Parsed = TypeVar("Parsed")
Device = Literal["auto", "cpu", "cuda"]

CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=CLOSED)
class Activation:
    """An elementwise function by import path and arguments, with batch normalisation or without."""

    name: Name
    function: Annotated[str, Field(max_length=100)]
    arguments: tuple[tuple[str, Argument], ...] = ()
    batch_norm: Bool = False


@dataclass(frozen=True, config=CLOSED)
class DataSource:
    """A data set, the folder of its files, its splits, and its pixels.

    `validation`: the share or number of training images that are held out to choose by, or 0;
    `test`: whether runs are tested; `train_size`: the number of other images that train, or None
    for all; `noise`: its amplitude in pixels that are 0, as a share of the brightest pixel.
    """

    name: Literal["digits", "mnist", "fashion_mnist", "kmnist", "mnist1d"]
    root: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    validation: Annotated[Int | Finite, AfterValidator(_check_validation)] = 0
    test: Bool = True
    train_size: Count | None = None
    scale: Literal["unit", "standard"] = "unit"
    noise: Annotated[Finite, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _noise_has_a_background(self) -> Self:
        if self.noise > 0 and self.name == "mnist1d":
            raise ValueError(f"data.noise={self.noise}: mnist1d has no background. Use 0.")
        return self

    @model_validator(mode="after")
    def _something_is_held_out(self) -> Self:
        if not self.test and self.validation == 0:
            raise ValueError("data.test=False: needs validation images. Set data.validation.")
        return self


@dataclass(frozen=True, config=CLOSED)
class Model:
    """A multilayer perceptron: the widths of its hidden layers and its initial weights."""

    # The limits of a trajectory's int16 unit and int8 layer numbers.
    hidden: Annotated[
        tuple[Annotated[Count, Field(le=2**15)], ...], Field(min_length=1, max_length=2**7 - 2)
    ]
    init: Literal["he", "lecun", "xavier", "normal"] = "he"
    init_std: Annotated[Finite, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _init_std_belongs_to_normal(self) -> Self:
        if (self.init == "normal") != (self.init_std is not None):
            raise ValueError("model.init_std: must be given with model.init=normal, and only then.")
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
    """Intervals of recording all units and of the probe set: in minibatches, or `epoch`."""

    every: Count | Literal["epoch"] = 1
    probe_every: Count | Literal["epoch"] = 50


@dataclass(frozen=True, config=CLOSED)
class OutcomeRule:
    """The training accuracy over the last tenth of the steps that makes a run `learned`."""

    learned_from: Annotated[Finite, Field(gt=0, le=1)] = 0.5


@dataclass(frozen=True, config=CLOSED)
class Point:
    """One point of the grid: all settings of one training."""

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
        lr = str(self.lr).removesuffix(".0")  # all digits: different rates need different names
        return f"{self.activation.name} lr={lr} seed={self.seed}"


@dataclass(frozen=True, config=CLOSED)
class Extras:
    """Optional artifacts of finished runs."""

    model: Bool = False  # an MLflow model with signature and input example
    plotly: Bool = False  # trajectories.html, which embeds plotly.js


@dataclass(frozen=True, config=CLOSED)
class Tracking:
    """The store of the runs, by its MLflow tracking URI or the project's own, and optional data."""

    uri: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        default=None,
        repr=False,  # it may contain a password
    )
    system_metrics: Bool = False  # of the machine that starts the sweep
    model: Bool = False
    plotly: Bool = False
    patch: Bool = True  # store the uncommitted changes of the project with the sweep's run

    @property
    def extras(self) -> Extras:
        return Extras(self.model, self.plotly)


@dataclass(frozen=True, config=CLOSED)
class SweepRules:
    """Options of a sweep that do not change any number."""

    force: Bool = False
    on_error: Literal["continue", "stop"] = "continue"
    checkpoint_minutes: Annotated[Finite, Field(ge=0)] | None = 5.0
    dry_run: Bool = False


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
    for other in ("tracking", "sweep", "device"):
        settings.pop(other, None)
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
    """Convert the settings called `name` to a `kind`; raise ConfigError for the first wrong one."""
    try:
        return TypeAdapter(kind).validate_python(settings)
    except ValidationError as error:
        raise ConfigError(first_problem(error, kind, settings, name)) from None


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
    settings["model"]["hidden"] = list(point.model.hidden)
    return settings


def flat_settings(point: Point) -> dict[str, Any]:
    """All settings of a point by their names on the command line."""
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
