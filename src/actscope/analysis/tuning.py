"""Chooses a learning rate by its metric on validation, from trials that a protocol asks for.

The protocol follows Godbole et al. (2023, Deep Learning Tuning Playbook): a coarse grid, then a
fine one around its best rate, each extended until its best rate is inside. See docs/tuning.md.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Literal, NamedTuple, Protocol, TypeVar

import numpy as np

from actscope.metric import ACCURACY, Metric
from actscope.tuning_settings import LR, Search, Tuning, Value

FINE_FACTOR = 2
RATES = {"chosen": 1.0, "half": 0.5}  # the rates that are judged, in units of the chosen one

TRIALS = ".tuning"  # ends the name of the study with the trials of a tuned study
RULES_TAG = "actscope.tuning"  # of a sweep: the rules as JSON
CHOSEN_BY_TAG = "actscope.chosen_by"  # of a run: JSON list of the ids of runs that chose its rate
TRIAL_TAG = (
    "actscope.trial"  # of a run of a search: JSON of its search, trial and the trial's state
)


def judged_rates(rules: Tuning | Search) -> Mapping[str, float]:
    """The rates that are judged, in units of the chosen one: a search has no half."""
    return {"chosen": 1.0} if isinstance(rules, Search) else RATES


Settings = tuple[tuple[str, Value], ...]  # by their names on the command line
Trial = float | None  # the final metric on validation; None of a run that failed or diverged


Key = TypeVar("Key", contravariant=True)


class Trials(Protocol[Key]):
    """The finished trials of a cell, by rate (of a search: by settings) and seed."""

    def __contains__(self, key: object, /) -> bool: ...

    def __getitem__(self, key: tuple[Key, int], /) -> Trial: ...


EDGE = "edge of grid"
ALL_LOST = "no rate learns"
NONE_LEARNS = "no trial learns"
OPEN = ("trials", "evaluation_seeds")  # settings that may change in the same search


class Score(NamedTuple):
    """A rate's metric on validation over the tuning seeds: lost runs count as chance.

    `error`: the standard error of the mean. `lost`: runs that failed or diverged.
    """

    rate: float
    mean: float
    error: float
    lost: int


@dataclass(frozen=True)
class Choice:
    """The rate that tuning has chosen; None if each rate lost a seed.

    `scores`: of the rates of the fine grid, ascending. `flag`: why it is not judged, or empty.
    `settings`: all that a search has chosen, the rate among them.
    """

    rate: float | None
    scores: tuple[Score, ...] = ()
    flag: str = ""
    settings: Settings = ()


@dataclass(frozen=True)
class CellPlan:
    """What a cell needs next: trials, or when its choice is made, none."""

    stage: Literal["coarse", "fine", "search", "chosen"]
    missing: tuple[tuple[float | Settings, int], ...] = ()
    choice: Choice | None = None


State = Literal["finished", "pruned", "failed"]


@dataclass(frozen=True)
class SearchTrial:
    """A trial that has ended, from number 1 on, and its final metric on validation by seed.

    `values`: None of a run that failed or diverged; shorter than the seeds if the trial was pruned
    or its first run was lost.
    """

    number: int
    settings: Settings
    state: State
    values: tuple[float | None, ...]

    @property
    def rate(self) -> float:
        return float(dict(self.settings)[LR])  # type: ignore[arg-type]

    def score(self, of_lost: float = math.nan) -> Score:
        """Mean over the seeds that were trained. `of_lost`: what lost runs count as."""
        return _score(self.rate, self.values, of_lost)


@dataclass(frozen=True)
class SearchPlan(CellPlan):
    """What a searched cell needs next, or its choice.

    `trials`: those that have ended; `search`: the id of the search.
    """

    trials: tuple[SearchTrial, ...] = ()
    search: str = ""


def searched_settings(tags: Mapping[str, str]) -> list[str]:
    """The settings that a sweep has searched, from its tags; empty of any other sweep."""
    with suppress(ValueError):
        rules = json.loads(tags.get(RULES_TAG.removeprefix("actscope."), "null"))
        if isinstance(rules, dict) and isinstance(rules.get("space"), dict):
            return list(rules["space"])
    return []


def search_id(rules: Search) -> str:
    """An id of what decides which trials are asked for; more trials continue the same search."""
    deciding = {name: value for name, value in asdict(rules).items() if name not in OPEN}
    return sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:8]


def value_of_lost(ended: Sequence[SearchTrial], chance: float, metric: Metric) -> float:
    """What a lost run of the last of these trials counts as: chance.

    Where chance is unknown, it is the worst value of these trials, or NaN if they have none.
    """
    if not math.isnan(chance):
        return chance
    values = [value for trial in ended for value in trial.values if value is not None]
    return min(values, key=lambda value: metric.gain(value, 0.0), default=math.nan)


def choose(ended: Sequence[SearchTrial], metric: Metric = ACCURACY) -> Choice:
    """The finished trial with the best mean, the first of equal ones."""
    finished = [trial for trial in ended if trial.state == "finished"]
    if not finished:
        return Choice(None, flag=NONE_LEARNS)
    best = max(finished, key=lambda trial: metric.gain(trial.score().mean, 0.0))
    return Choice(best.rate, (best.score(),), settings=best.settings)


def plan_cell(
    rules: Tuning, trials: Trials[float], chance: float, metric: Metric = ACCURACY
) -> CellPlan:
    """The trials that a cell needs next, or its choice. `chance`: the metric of guessing.

    1. Coarse: all `rules.rates` with the first seed.
    2. Fine: the best rate, its half and its double with all seeds.
    3. Of the rates of the fine grid that lost no seed, the smallest within one standard error of
       the best is chosen.

    A grid whose best rate is its lowest or highest is extended by its factor, at most
    `rules.extensions` times.
    """
    judged = _Judged(trials, chance, metric)
    coarse = _search(rules.rates, rules.factor, rules.seeds[:1], rules.extensions, judged)
    if coarse.missing:
        return CellPlan("coarse", coarse.missing)
    if all(score.lost for score in coarse.scores):
        return CellPlan("chosen", choice=Choice(None, coarse.scores, ALL_LOST))
    best = coarse.best
    around = (best / FINE_FACTOR, best, best * FINE_FACTOR)
    fine = _search(around, FINE_FACTOR, rules.seeds, rules.extensions, judged)
    if fine.missing:
        return CellPlan("fine", fine.missing)
    return CellPlan("chosen", choice=_choose(fine, metric))


class _Judged(NamedTuple):
    """The trials of a cell, and what judges them."""

    trials: Trials[float]
    chance: float
    metric: Metric


@dataclass(frozen=True)
class _Search:
    """A grid of rates, extended as far as its known trials ask for."""

    missing: tuple[tuple[float, int], ...]
    scores: tuple[Score, ...] = ()
    best: float = 0.0
    is_inside: bool = False


def _search(
    rates: Sequence[float],
    factor: float,
    seeds: Sequence[int],
    extensions: int,
    judged: _Judged,
) -> _Search:
    grid = sorted(rates)
    for left in reversed(range(extensions + 1)):
        missing = tuple((r, seed) for r in grid for seed in seeds if (r, seed) not in judged.trials)
        if missing:
            return _Search(missing)
        scores = tuple(_scores(grid, seeds, judged))
        best = _best(scores, judged.metric)
        is_inside = grid[0] < best < grid[-1]
        if is_inside or left == 0:
            break
        grid = [grid[0] / factor, *grid] if best == grid[0] else [*grid, grid[-1] * factor]
    return _Search((), scores, best, is_inside)


def _scores(grid: Sequence[float], seeds: Sequence[int], judged: _Judged) -> Iterator[Score]:
    for rate in grid:
        yield _score(rate, [judged.trials[rate, seed] for seed in seeds], judged.chance)


def _score(rate: float, found: Sequence[Trial], of_lost: float) -> Score:
    values = np.array([of_lost if value is None else value for value in found])
    n = len(values)
    error = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    return Score(rate, float(values.mean()), error, found.count(None))


def _best(scores: Sequence[Score], metric: Metric) -> float:
    """The rate with the best mean that lost no run, or the lowest rate if all did."""
    kept = [score for score in scores if score.lost == 0]
    return _best_of(kept, metric).rate if kept else scores[0].rate


def _best_of(scores: Sequence[Score], metric: Metric) -> Score:
    return max(scores, key=lambda score: metric.gain(score.mean, 0.0))


def _choose(fine: _Search, metric: Metric) -> Choice:
    kept = [score for score in fine.scores if score.lost == 0]
    if not kept:
        return Choice(None, fine.scores, ALL_LOST)
    best = _best_of(kept, metric)
    margin = best.error if metric.is_smallest_best else -best.error
    chosen = next(s for s in kept if metric.gain(s.mean, best.mean + margin) >= 0)
    return Choice(chosen.rate, fine.scores, "" if fine.is_inside else EDGE)
