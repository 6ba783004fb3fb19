"""Checks of tuned studies, in which each cell has a rate of its own.

A cell is named by settings, like `{model.depth: 16, train.epochs: 10}`. Its runs are those at its
chosen rate, the higher of the two that were judged. Leads are in the unit that a report
shows, like points of accuracy.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import field

import numpy as np
import pandas as pd
from pydantic.dataclasses import dataclass as checked

from actscope.analysis.claims.decision import MeanInterval
from actscope.analysis.claims.settings import Margin, Names
from actscope.analysis.claims.verdicts import (
    CheckResult,
    ClaimData,
    MissingData,
    combine,
    run_check,
)
from actscope.analysis.stats import finals_of_learned
from actscope.analysis.varying import DEPTH, value_of
from actscope.setting_types import CLOSED, Argument, Finite, Name

Settings = dict[str, Argument]
FEWEST_DEPTHS = 3  # of a slope


@checked(frozen=True, config=CLOSED)
class TunedLead:
    """`activation` is better than each of `over` by more than `by`, each at its own rate.

    `gap`: the lead that the power is for.
    """

    activation: Name
    over: Names
    gap: Finite
    at: Settings = field(default_factory=dict)
    by: Margin = 0.0

    def judge(self, data: ClaimData) -> CheckResult:
        return combine([run_check(_Lead(self, other), data) for other in self.over])


@checked(frozen=True, config=CLOSED)
class Grows:
    """The lead of `activation` over each of `over` grows with the depth.

    For each seed, the leads are fitted by a line over log2 of the depth. The mean of the slopes is
    above 0, a doubling. `gap`: the slope that the power is for.
    """

    activation: Name
    over: Names
    gap: Finite
    at: Settings = field(default_factory=dict)

    def judge(self, data: ClaimData) -> CheckResult:
        return combine([run_check(_Slope(self, other), data) for other in self.over])


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
        a, b, c, d = (_finals(data, own) for own in runs)
        difference = data.metric.gain(a, b) - data.metric.gain(c, d)
        leads = f"({self.first} - {self.second} at {_text(self.here)}) - (at {_text(self.there)})"
        return _judged(data, difference, (self.by, math.inf), self.gap, leads, runs)


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


class _Lead:
    """The lead over one other activation."""

    def __init__(self, check: TunedLead, other: str) -> None:
        self.check, self.other = check, other

    def judge(self, data: ClaimData) -> CheckResult:
        check = self.check
        runs = [_chosen(data, name, check.at) for name in (check.activation, self.other)]
        lead = data.metric.gain(*(_finals(data, own) for own in runs))
        name = f"{check.activation} - {self.other}{_where(check.at)}"
        return _judged(data, lead, (check.by, math.inf), check.gap, name, runs)


class _Slope:
    """The slope of the lead over one other activation."""

    def __init__(self, check: Grows, other: str) -> None:
        self.check, self.other = check, other

    def judge(self, data: ClaimData) -> CheckResult:
        check, names = self.check, (self.check.activation, self.other)
        found = [_depths(data, name, check.at) for name in names]
        depths = sorted(set(found[0]) & set(found[1]))
        if len(depths) < FEWEST_DEPTHS:
            raise MissingData(f"{' and '.join(names)} share only {len(depths)} depths")
        runs = [_chosen(data, n, {**check.at, DEPTH: d}) for d in depths for n in names]
        finals = [_finals(data, own) for own in runs]
        pairs = zip(finals[::2], finals[1::2], strict=True)
        leads = pd.concat([data.metric.gain(*pair) for pair in pairs], axis=1).dropna()
        slopes = np.polyfit(np.log2(depths), leads.to_numpy().T, 1)[0] if len(leads) else []
        name = f"{check.activation} - {self.other} a doubling of {depths[0]} to {depths[-1]} layers"
        series = pd.Series(slopes, leads.index, dtype=float).reindex(finals[0].index)
        return _judged(data, series, (0.0, math.inf), check.gap, f"{name}{_where(check.at)}", runs)


def _judged(
    data: ClaimData,
    values: "pd.Series[float]",
    limits: tuple[float, float],
    gap: float,
    name: str,
    runs: Sequence[pd.DataFrame],
) -> CheckResult:
    """Whether the interval of the values of seeds is within the limits; NaN: a run was lost."""
    known = values.dropna()
    found = MeanInterval.of(np.asarray(known, float), data.metric.rounding)
    lost = len(values) - len(known)
    without = f", without {lost} of {len(values)} seeds in which a run did not learn"
    metric = data.metric
    words = found.in_words(metric.difference_unit, f"+.{metric.decimals + 1}f")
    numbers = f"{name}: {words}{without if lost else ''}"
    ids = tuple(run_id for own in runs for run_id in own["run_id"])
    return found.judge(limits, gap, numbers, ids, len(values))


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
    params = {run_id: _texts(row) for run_id, row in data.params.iterrows()}
    wanted = {name: str(value) for name, value in at.items()}
    is_own = [
        all(value_of(params[run_id], name) == value for name, value in wanted.items())
        for run_id in data.runs["run_id"]
    ]
    return data.runs[np.array(is_own, bool) & (data.runs["activation"] == activation)]


def _depths(data: ClaimData, activation: str, at: Mapping[str, object]) -> set[int]:
    runs = _runs_at(data, activation, at)
    return {int(value_of(_texts(data.params.loc[run_id]), DEPTH)) for run_id in runs["run_id"]}


def _texts(row: "pd.Series[str]") -> dict[str, str]:
    return {str(name): text for name, text in row.items() if isinstance(text, str)}


def _finals(data: ClaimData, runs: pd.DataFrame) -> "pd.Series[float]":
    """Final values by seed, as they are shown; NaN for a run that did not learn."""
    return data.metric.scale * finals_of_learned(runs).reindex(runs["seed"])


def _where(at: Mapping[str, object]) -> str:
    return f" at {_text(at)}" if at else ""


def _text(at: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in at.items())
