"""Checks of tuned studies, in which each cell has a rate of its own.

A cell is named by settings, like `{model.depth: 16, train.epochs: 10}`. Its runs are those at its
chosen rate, the higher of the two that were judged. Leads are in the unit that a report
shows, like points of accuracy.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import partial

import numpy as np
import pandas as pd
from pydantic.dataclasses import dataclass as checked

from actscope.analysis.claims.decision import MeanInterval
from actscope.analysis.claims.verdicts import (
    CheckResult,
    ClaimData,
    Margin,
    MissingData,
    Names,
    combine,
    run_check,
)
from actscope.analysis.variants import known_texts
from actscope.analysis.varying import DEPTH, value_of
from actscope.setting_types import CLOSED, Argument, Finite, Name

Settings = dict[str, Argument]
FEWEST_DEPTHS = 3  # of a slope


@checked(frozen=True, config=CLOSED)
class _OverEach:
    """Of the lead of `activation` over each of `over`, at some settings.

    `gap`: the lead, or its slope, that the power is for.
    """

    activation: Name
    over: Names
    gap: Finite
    at: Settings = field(default_factory=dict)

    def judge(self, data: ClaimData) -> CheckResult:
        return combine([run_check(partial(self._judge_one, name), data) for name in self.over])

    def _judge_one(self, other: str, data: ClaimData) -> CheckResult:
        raise NotImplementedError


@checked(frozen=True, config=CLOSED)
class TunedLead(_OverEach):
    """`activation` is better than each of `over` by more than `by`, each at its own rate."""

    by: Margin = 0.0

    def _judge_one(self, other: str, data: ClaimData) -> CheckResult:
        runs = [_chosen(data, name, self.at) for name in (self.activation, other)]
        lead = data.metric.gain(*map(data.finals, runs))
        name = f"{self.activation} - {other}{_where(self.at)}"
        return _judged(data, lead, self.by, self.gap, name, runs)


@checked(frozen=True, config=CLOSED)
class Grows(_OverEach):
    """The lead of `activation` over each of `over` grows with the depth.

    For each seed, the leads are fitted by a line over log2 of the depth. The mean of the slopes is
    above 0, a doubling.
    """

    def _judge_one(self, other: str, data: ClaimData) -> CheckResult:
        names = (self.activation, other)
        first, second = (_depths(data, name, self.at) for name in names)
        depths = sorted(first & second)
        if len(depths) < FEWEST_DEPTHS:
            raise MissingData(f"{' and '.join(names)} share only {len(depths)} depths")
        runs = [_chosen(data, n, {**self.at, DEPTH: d}) for d in depths for n in names]
        finals = [data.finals(own) for own in runs]
        pairs = zip(finals[::2], finals[1::2], strict=True)
        leads = pd.concat([data.metric.gain(*pair) for pair in pairs], axis=1).dropna()
        slopes = np.polyfit(np.log2(depths), leads.to_numpy().T, 1)[0] if len(leads) else []
        name = f"{self.activation} - {other} a doubling of {depths[0]} to {depths[-1]} layers"
        series = pd.Series(slopes, leads.index, dtype=float).reindex(finals[0].index)
        return _judged(data, series, 0.0, self.gap, f"{name}{_where(self.at)}", runs)


@checked(frozen=True, config=CLOSED)
class LeadDiffers:
    """The lead of `first` over `second` is larger `here` than `there` by more than `by`.

    `gap`: the difference of the leads that the power is for.
    """

    first: Name
    second: Name
    here: Settings
    there: Settings
    gap: Finite
    by: Margin = 0.0

    def judge(self, data: ClaimData) -> CheckResult:
        cells = [(name, at) for at in (self.here, self.there) for name in (self.first, self.second)]
        runs = [_chosen(data, *cell) for cell in cells]
        a, b, c, d = map(data.finals, runs)
        difference = data.metric.gain(a, b) - data.metric.gain(c, d)
        leads = f"({self.first} - {self.second} at {_text(self.here)}) - (at {_text(self.there)})"
        return _judged(data, difference, self.by, self.gap, leads, runs)


@checked(frozen=True, config=CLOSED)
class AtStart:
    """A metric at step 0, `start/NAME`, has the mean `target` ± `margin` over the seeds."""

    activation: Name
    metric: Name
    target: Finite
    margin: Margin
    at: Settings = field(default_factory=dict)

    def judge(self, data: ClaimData) -> CheckResult:
        runs = _chosen(data, self.activation, self.at)
        name = f"start/{self.metric}"
        if name not in data.metrics:
            raise MissingData(f"no run has the metric {name}")
        values = data.metrics.loc[runs["run_id"], name].to_numpy(float)
        found = MeanInterval.of(values[~np.isnan(values)])
        limits = (self.target - self.margin, self.target + self.margin)
        numbers = f"{name} of {self.activation}{_where(self.at)}: {found.in_words('', '.3f')}"
        aim = f", claimed {self.target:g} ± {self.margin:g}"
        ids = tuple(runs["run_id"])
        return found.judge(limits, self.target, f"{numbers}{aim}", ids, len(values))


SPANNING = (TunedLead, Grows, LeadDiffers, AtStart)  # they choose among variants themselves


def _judged(
    data: ClaimData,
    values: "pd.Series[float]",
    above: float,
    gap: float,
    name: str,
    runs: Sequence[pd.DataFrame],
) -> CheckResult:
    """Whether the interval of the values of seeds is above a number; NaN: a run was lost."""
    known = values.dropna()
    found = MeanInterval.of(np.asarray(known, float), data.metric.rounding)
    lost = len(values) - len(known)
    without = f", without {lost} of {len(values)} seeds in which a run did not learn"
    metric = data.metric
    words = found.in_words(metric.difference_unit, f"+.{metric.decimals + 1}f")
    numbers = f"{name}: {words}{without if lost else ''}"
    ids = tuple(run_id for own in runs for run_id in own["run_id"])
    return found.judge((above, math.inf), gap, numbers, ids, len(values))


def _chosen(data: ClaimData, activation: str, at: Mapping[str, object]) -> pd.DataFrame:
    """The runs of a cell at its chosen rate, by seed.

    Raises:
        MissingData: it has none, or there are several such cells.

    """
    own = _runs_at(data, activation, at)
    runs: pd.DataFrame = own[own["lr"] == own["lr"].max()].sort_values("seed")
    if runs.empty:
        raise MissingData(f"no finished run of {activation}{_where(at)}")
    variants = sorted(set(runs["variant"]))
    if len(variants) > 1:
        differing = " or ".join(variants)
        raise MissingData(f"runs of {activation}{_where(at)} differ in {differing}")
    return runs


def _runs_at(data: ClaimData, activation: str, at: Mapping[str, object]) -> pd.DataFrame:
    params = known_texts(data.params)
    wanted = {name: str(value) for name, value in at.items()}
    is_own = [
        all(value_of(params[run_id], name) == value for name, value in wanted.items())
        for run_id in data.runs["run_id"]
    ]
    return data.runs[np.array(is_own, bool) & (data.runs["activation"] == activation)]


def _depths(data: ClaimData, activation: str, at: Mapping[str, object]) -> set[int]:
    runs, params = _runs_at(data, activation, at), known_texts(data.params)
    return {int(value_of(params[run_id], DEPTH)) for run_id in runs["run_id"]}


def _where(at: Mapping[str, object]) -> str:
    return f" at {_text(at)}" if at else ""


def _text(at: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in at.items())
