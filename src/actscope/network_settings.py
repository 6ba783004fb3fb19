"""The settings of a network: the built-in one, or a user's own."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from actscope.setting_types import CLOSED, IMPORT_PATH, Count, Finite, OwnArgument
from actscope.settings_errors import shorten

MOST_LAYERS = 2**7 - 2  # the limits of a trajectory's int8 layer and int16 unit numbers
MOST_UNITS = 2**15
DEFAULT_WIDTH = 64


def _equal_layers(model: Any) -> Any:
    """Replace the settings `depth` and `width` by the hidden layers that they stand for."""
    if not isinstance(model, Mapping):
        return model
    rest = dict(model)
    given = {"depth": (rest.pop("depth", None), MOST_LAYERS)}
    given["width"] = (rest.pop("width", None), MOST_UNITS)
    for name, (value, most) in given.items():
        if value is None:
            continue
        if rest.get("hidden") is not None:
            problem = "model.hidden is given as well. Give model.hidden=null to use this"
        elif type(value) is not int or not 1 <= value <= most:
            problem = f"must be a whole number from 1 to {most}"
        else:
            continue
        raise ValueError(f"model.{name}={shorten(ascii(value))}: {problem}.")
    if rest.get("hidden") is None:
        depth, width = (value for value, _ in given.values())
        rest["hidden"] = [DEFAULT_WIDTH if width is None else width] * (depth or 1)
    return rest


@dataclass(frozen=True, config=CLOSED)
class Model:
    """A multilayer perceptron: the widths of its hidden layers and its initial weights."""

    hidden: Annotated[
        tuple[Annotated[Count, Field(le=MOST_UNITS)], ...],
        Field(min_length=1, max_length=MOST_LAYERS),
    ]
    init: Literal["he", "lecun", "xavier", "matched", "normal", "own"] = "he"
    init_std: Annotated[Finite, Field(gt=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _layers_may_be_given_by_depth(cls, given: Any) -> Any:
        return _equal_layers(given)

    @model_validator(mode="after")
    def _init_std_belongs_to_normal(self) -> Self:
        if (self.init == "normal") != (self.init_std is not None):
            raise ValueError("model.init_std: must be given with model.init=normal, and only then.")
        return self


def _check_network_path(path: str) -> str:
    if not re.fullmatch(IMPORT_PATH, path):
        raise ValueError(
            f"model._target_={shorten(ascii(path))}: must be the import path of a class, like "
            "my_project.net.SmallCNN."
        )
    return path


@dataclass(frozen=True, config=CLOSED)
class OwnNetwork:
    """A user's own network: the import path of its class, and its arguments."""

    path: Annotated[str, Field(max_length=200), AfterValidator(_check_network_path)]
    arguments: tuple[tuple[str, OwnArgument], ...] = ()
