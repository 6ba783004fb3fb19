"""How the settings of each cell of a tuned study are chosen: by a grid of rates, or by search."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from actscope.setting_types import CLOSED, Bool, Count, Finite, Int, Rate, Seed
from actscope.settings_errors import shorten

Value = Bool | Int | Finite | Annotated[str, Field(max_length=64)] | None
Number = Int | Finite
LR = "lr"
IN_RANGE = {"low", "high", "log"}
SEARCHABLE = ("train.", "model.", "activation.function.")
AXES = {"model.hidden", "model.depth", "model.width"}  # sizes make cells of their own
JUDGES = {"train.loss", "train.metric"}  # trials are compared by one metric


def _check_seeds(seeds: tuple[int, ...], evaluation_seeds: tuple[int, ...]) -> None:
    for name, own in (("seeds", seeds), ("evaluation_seeds", evaluation_seeds)):
        if len(set(own)) < len(own):
            raise ValueError(f"tuning.{name}: has a seed twice. Give each once.")
    both = sorted(set(seeds) & set(evaluation_seeds))
    if both:
        raise ValueError(
            f"tuning.evaluation_seeds: {both[0]} is one of tuning.seeds too. Judge with others."
        )


@dataclass(frozen=True, config=CLOSED)
class Tuning:
    """How the learning rate of each cell is chosen by validation, and evaluated with fresh seeds.

    `rates`: the coarse grid, in steps of one factor. `seeds` choose; the coarse grid uses only the
    first. `evaluation_seeds` judge. `extensions`: how often either grid of rates is extended beyond
    its edge.
    """

    rates: Annotated[tuple[Rate, ...], Field(min_length=3)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=2)]
    evaluation_seeds: Annotated[tuple[Seed, ...], Field(min_length=2)]
    extensions: Annotated[Int, Field(ge=0, le=20)] = 4

    @property
    def factor(self) -> float:
        """The step of the coarse grid."""
        return self.rates[1] / self.rates[0]

    @model_validator(mode="after")
    def _rates_have_one_factor(self) -> Self:
        steps = [high / low for low, high in pairwise(self.rates)]
        if min(steps) < 2 or max(steps) > 1.001 * min(steps):
            raise ValueError(
                "tuning.rates: must grow by one factor of at least 2, like [0.001,0.004,0.016]."
            )
        return self

    @model_validator(mode="after")
    def _seeds_are_fresh(self) -> Self:
        _check_seeds(self.seeds, self.evaluation_seeds)
        return self


@dataclass(frozen=True, config=CLOSED)
class Range:
    """The values from `low` to `high`, whole numbers if both are; `log`: even in the logarithm."""

    low: Number
    high: Number
    log: Bool = False


Choices = tuple[Value, ...]


def _flat_space(given: Any, place: str = "") -> Any:
    """The ranges and choices by the whole names of their settings: groups may be nested."""
    if not isinstance(given, Mapping):
        return given
    flat: dict[str, Any] = {}
    for name, value in given.items():
        is_group = isinstance(value, Mapping) and not IN_RANGE & set(value)
        whole = f"{place}{name}"
        flat |= _flat_space(value, f"{whole}.") if is_group else {whole: value}
    return flat


def _check_space(space: Mapping[str, Range | Choices]) -> Mapping[str, Range | Choices]:
    for name, values in space.items():
        problem = next(_problems(name, values), None)
        if problem is not None:
            raise ValueError(f"tuning.space.{shorten(ascii(name)[1:-1])}: {problem}")
    if LR not in space:
        raise ValueError("tuning.space.lr: is missing. Each cell gets a rate of its own.")
    return space


def _problems(name: str, values: Range | Choices) -> Iterator[str]:
    if name == "seed":
        yield "seeds are averaged, not searched. Remove it; tuning.seeds has them."
    elif name in AXES:
        yield f"cannot be searched. Give a grid, like {name.replace('hidden', 'depth')}=1,2."
    elif name in JUDGES:
        yield f"cannot be searched, as one metric judges all trials. Set {name} itself."
    elif name != LR and not name.startswith(SEARCHABLE):
        yield "cannot be searched. Choose lr, or settings of train, model or activation.function."
    if not isinstance(values, Range):
        if len(set(values)) < max(2, len(values)):
            yield "needs at least two different choices."
    elif values.low >= values.high:
        yield f"low={values.low:g} must be less than high={values.high:g}."
    elif values.log and values.low <= 0:
        yield f"low={values.low:g} must be more than 0 with log=true."


Space = Annotated[
    dict[str, Range | Choices], BeforeValidator(_flat_space), AfterValidator(_check_space)
]


@dataclass(frozen=True, config=CLOSED)
class Search:
    """How Optuna searches the settings of each cell by validation, evaluated with fresh seeds.

    `space`: a range or choices by the name of each setting, `lr` among them. `trials`: of each
    cell. `seeds`: a trial is trained with the first, and with the others unless it is pruned; its
    score is the mean. `batch`: the trials that a cell asks for at once. `sampler_seed`: of the
    points that are asked for. `evaluation_seeds` judge.
    """

    space: Space
    trials: Count
    seeds: Annotated[tuple[Seed, ...], Field(min_length=2)]
    evaluation_seeds: Annotated[tuple[Seed, ...], Field(min_length=2)]
    batch: Count = 4
    sampler_seed: Annotated[Int, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _seeds_are_fresh(self) -> Self:
        _check_seeds(self.seeds, self.evaluation_seeds)
        return self
