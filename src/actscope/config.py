"""The settings of a point, of tracking and of a sweep; each is checked once, when it is read."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from actscope.metric import METRICS, METRICS_OF_LOSS, Metric
from actscope.network_settings import Model, OwnNetwork
from actscope.setting_types import (
    CLOSED,
    IMPORT_PATH,
    Argument,
    Bool,
    Count,
    Finite,
    Init,
    Int,
    Name,
    OwnArgument,
    Rate,
    Seed,
    StudyName,
)
from actscope.settings_errors import shorten

DATA_SETS = ("digits", "mnist", "fashion_mnist", "kmnist", "cifar10", "mnist1d")
WITHOUT_BACKGROUND = ("cifar10", "mnist1d")  # no pixel is 0 because nothing is there


def _check_validation(given: float) -> float:
    if given < 0 or (isinstance(given, float) and given >= 1):
        raise ValueError(
            f"data.validation={given}: must be a share under 1 or a number of examples."
        )
    return given or 0  # 0.0 is none as well


def _check_data_name(name: str) -> str:
    if name in DATA_SETS:
        return name
    known = ", ".join(DATA_SETS)
    if not re.fullmatch(IMPORT_PATH, name):
        raise ValueError(
            f"data.name={shorten(ascii(name))}: must be one of {known}, or the import path of a "
            "function of yours, like my_project.data.load."
        )
    return name


@dataclass(frozen=True, config=CLOSED)
class Activation:
    """An elementwise function by import path and arguments, with batch normalisation or without.

    `init`: the initial weights of its networks where `model.init=own`.
    """

    name: Name
    function: Annotated[str, Field(max_length=100)]
    arguments: tuple[tuple[str, Argument], ...] = ()
    batch_norm: Bool = False
    init: Init | None = None


@dataclass(frozen=True, config=CLOSED)
class DataSource:
    """A data set, the folder of its files, its splits, and its pixels.

    `name`: of a built-in data set, or the import path of the user's function, which gets
    `arguments`;
    `validation`: the share or number of training examples that are held out to choose by, or 0;
    `test`: whether runs are tested; `train_size`: the number of other examples that train, or None
    for all; `noise`: its amplitude in pixels that are 0, as a share of the brightest pixel.
    """

    name: Annotated[str, Field(max_length=200), AfterValidator(_check_data_name)]
    root: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    validation: Annotated[Int | Finite, AfterValidator(_check_validation)] = 0
    test: Bool = True
    train_size: Count | None = None
    scale: Literal["unit", "standard"] = "unit"
    noise: Annotated[Finite, Field(ge=0, le=1)] = 0.0
    arguments: tuple[tuple[str, OwnArgument], ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether a function of the user's returns the data."""
        return "." in self.name or ":" in self.name

    @model_validator(mode="after")
    def _noise_has_a_background(self) -> Self:
        if self.noise > 0 and (self.is_own or self.name in WITHOUT_BACKGROUND):
            raise ValueError(f"data.noise={self.noise}: {self.name} has no background. Use 0.")
        return self

    @model_validator(mode="after")
    def _something_is_held_out(self) -> Self:
        if not self.test and self.validation == 0:
            raise ValueError("data.test=False: needs validation examples. Set data.validation.")
        return self


@dataclass(frozen=True, config=CLOSED)
class Train:
    """How the loss, summed or averaged over the minibatch, is minimised.

    `schedule`: the learning rate stays, or falls to 0 by half a cosine (Loshchilov and Hutter,
    2017). `clip_norm`: the largest L2 norm of the gradient of all parameters, or None for any.
    `loss`: of an example, the cross-entropy of its class or the mean square error over its target.
    `metric`: what runs are judged by, or None for the first one of the loss.
    """

    epochs: Count
    batch_size: Count = 100
    reduction: Literal["sum", "mean"] = "sum"
    momentum: Annotated[Finite, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[Finite, Field(ge=0, le=1)] = 0.0
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    schedule: Literal["constant", "cosine"] = "constant"
    clip_norm: Annotated[Finite, Field(gt=0)] | None = None
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"
    metric: Literal["accuracy", "r2", "rmse"] | None = None

    @model_validator(mode="after")
    def _metric_belongs_to_the_loss(self) -> Self:
        names = [metric.name for metric in METRICS_OF_LOSS[self.loss]]
        if self.metric not in (None, *names):
            raise ValueError(
                f"train.metric={self.metric}: is not one of train.loss={self.loss}. "
                f"Choose {' or '.join(names)}."
            )
        return self

    @model_validator(mode="after")
    def _momentum_belongs_to_sgd(self) -> Self:
        if self.optimizer != "sgd" and self.momentum > 0:
            raise ValueError(
                f"train.momentum={self.momentum}: {self.optimizer} has its own. Use 0."
            )
        return self

    @property
    def judged_by(self) -> Metric:
        return METRICS[self.metric] if self.metric else METRICS_OF_LOSS[self.loss][0]

    @property
    def is_plain_sgd(self) -> bool:
        """Whether the optimiser is SGD with a constant rate and without clipping."""
        return (self.optimizer, self.schedule, self.clip_norm) == ("sgd", "constant", None)


@dataclass(frozen=True, config=CLOSED)
class Trajectory:
    """Intervals of recording all units and of the probe set: in minibatches, or `epoch`."""

    every: Count | Literal["epoch"] = 1
    probe_every: Count | Literal["epoch"] = 50


@dataclass(frozen=True, config=CLOSED)
class OutcomeRule:
    """The training accuracy or R² over the last tenth of the steps that makes a run `learned`."""

    learned_from: Annotated[Finite, Field(gt=0, le=1)] = 0.5


@dataclass(frozen=True, config=CLOSED)
class Point:
    """One point of the grid: all settings of one training."""

    study: StudyName
    activation: Activation
    lr: Rate
    seed: Seed
    data: DataSource
    model: Model | OwnNetwork
    train: Train
    trajectory: Trajectory = Trajectory()
    outcome: OutcomeRule = OutcomeRule()

    @model_validator(mode="after")
    def _has_what_its_network_supports(self) -> Self:
        if isinstance(self.model, OwnNetwork):
            if self.activation.batch_norm:
                raise ValueError(
                    f"activation={self.activation.name}: brings batch normalisation, which a "
                    "network of your own contains itself. Choose others, like activation=relu,elu."
                )
        elif self.train.loss != "cross_entropy":
            raise ValueError(
                f"train.loss={self.train.loss}: the built-in network predicts classes. Choose a "
                "network of your own, like model=autoencoder."
            )
        elif not self.train.is_plain_sgd:
            name, value = next(
                (name, value)
                for name, value, plain in (
                    ("optimizer", self.train.optimizer, "sgd"),
                    ("schedule", self.train.schedule, "constant"),
                    ("clip_norm", self.train.clip_norm, None),
                )
                if value != plain
            )
            raise ValueError(
                f"train.{name}={value}: the built-in network trains by plain SGD. "
                "Choose a network of your own, like model=lenet."
            )
        return self

    @property
    def built_in(self) -> Model:
        """The settings of the built-in network, which this point must have."""
        assert isinstance(self.model, Model), "this point has a network of the user's own"
        return self.model

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
