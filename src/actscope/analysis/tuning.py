"""Chooses a learning rate by its metric on validation, from trials that a protocol asks for.

The protocol follows Godbole et al. (2023, Deep Learning Tuning Playbook): a coarse grid, then a
fine one around its best rate, each extended until its best rate is inside. See docs/tuning.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from actscope.config import Tuning
from actscope.metric import ACCURACY, Metric

FINE_FACTOR = 2
RATES = {"chosen": 1.0, "half": 0.5}  # the rates that are judged, in units of the chosen one

TRIALS = ".tuning"  # ends the name of the study with the trials of a tuned study
RULES_TAG = "actscope.tuning"  # of a sweep: the rules as JSON
CHOSEN_BY_TAG = "actscope.chosen_by"  # of a run: JSON list of the ids of runs that chose its rate

Trial = float | None  # the final metric on validation; None of a run that failed or diverged
Trials = Mapping[tuple[float, int], Trial]  # by rate and seed

EDGE = "edge of grid"
ALL_LOST = "no rate learns"


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
    """

    rate: float | None
    scores: tuple[Score, ...] = ()
    flag: str = ""


@dataclass(frozen=True)
class CellPlan:
    """What a cell needs next: trials, or when its choice is made, none."""

    stage: Literal["coarse", "fine", "chosen"]
    missing: tuple[tuple[float, int], ...] = ()
    choice: Choice | None = None


def plan_cell(rules: Tuning, trials: Trials, chance: float, metric: Metric = ACCURACY) -> CellPlan:
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

    trials: Trials
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
        own = [judged.trials[rate, seed] for seed in seeds]
        values = np.array([judged.chance if value is None else value for value in own])
        n = len(values)
        error = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
        yield Score(rate, float(values.mean()), error, own.count(None))


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
