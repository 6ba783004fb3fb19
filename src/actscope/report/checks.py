"""What a claim can ask of the runs of its study: a closed table of checks, each with its rule.

Accuracies are in per cent and their differences in points, as claims state them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Protocol

import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf
from pydantic import Field
from pydantic.dataclasses import dataclass as checked
from scipy import stats as scipy_stats

from actscope.config import CLOSED, Activation, Count, Finite, Name, parse
from actscope.errors import ConfigError
from actscope.functions import make_function
from actscope.project import CONF
from actscope.report import stats
from actscope.report.frames import describe_variants, rate_text
from actscope.report.stats import Floats

FEWEST = 5  # seeds: fewer decide nothing, however clear they look
DIGITS = 4  # of a per cent: what accuracies differ by beyond these is rounding
STEP = 1e-6  # of the one-sided differences at 0

Share = Annotated[Finite, Field(ge=0, le=1)]
Margin = Annotated[Finite, Field(ge=0)]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Rate = Annotated[Finite, Field(gt=0)]


class Ruling(StrEnum):
    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Finding:
    """What a check came to: its numbers, a line each, and the runs behind them.

    `seeds_needed`: how many in all would do, where it is inconclusive and that can be told.
    """

    ruling: Ruling
    numbers: tuple[str, ...]
    run_ids: tuple[str, ...] = ()
    seeds_needed: int | None = None


class Missing(Exception):  # noqa: N818 - no error: what a check needs has not been run
    """What a check needs is not there; the message says what."""


@dataclass(frozen=True, eq=False)
class Case:
    """What the checks of a claim may look at.

    `runs`: those of its study that are used and meet its conditions, as in StudyRuns; `params`:
    their parameters, by `run_id`; `read_fates`: `dying.unit_fates` of a run, None where its units
    were not recorded.
    """

    runs: pd.DataFrame
    params: pd.DataFrame
    read_fates: Callable[[str], pd.DataFrame | None]

    def variants(self) -> list[str]:
        """What differs between the runs beside activation, rate and seed; one '' if nothing."""
        return sorted(set(describe_variants(self.params)))

    def cell(self, activation: str, lr: float) -> pd.DataFrame:
        """The runs of an activation at a rate, by seed, or raise Missing."""
        is_own = (self.runs["activation"] == activation) & (self.runs["lr"] == lr)
        runs = self.runs[is_own].sort_values("seed")
        if runs.empty:
            raise Missing(f"no finished run of {activation} at lr = {rate_text(lr)}")
        return runs

    def finals(self, activation: str, lr: float) -> "pd.Series[float]":
        """Final test accuracy by seed, as a fraction of 1, without the runs that diverged."""
        return self.cell(activation, lr).set_index("seed")["final"].dropna()

    def ids(self, activations: Sequence[str], lr: float) -> tuple[str, ...]:
        return tuple(i for name in activations for i in self.cell(name, lr)["run_id"])

    def fates(self, run_id: str, layer: int) -> pd.DataFrame:
        """What became of a layer's units in a run, or raise Missing."""
        fates = self.read_fates(run_id)
        if fates is None or fates.empty:
            raise Missing(f"run {run_id} has no record of what became of its units")
        own = fates[fates["layer"] == layer]
        if own.empty:
            raise Missing(f"run {run_id} has no layer {layer}")
        return own


class Check(Protocol):
    """Raises Missing where what it needs is not there."""

    def judge(self, case: Case) -> Finding: ...


def examine(check: Check, case: Case) -> Finding:
    """Judge a check, also where what it needs is missing."""
    try:
        return check.judge(case)
    except Missing as missing:
        return Finding(Ruling.NOT_RUN, (str(missing),))


def combine(findings: Sequence[Finding]) -> Finding:
    """The whole of several findings.

    Reproduced if all are; else not reproduced, not run, inconclusive: the first that any is.
    """
    rulings = {finding.ruling for finding in findings}
    order = (Ruling.NOT_REPRODUCED, Ruling.NOT_RUN, Ruling.INCONCLUSIVE, Ruling.REPRODUCED)
    needed = [finding.seeds_needed for finding in findings if finding.seeds_needed is not None]
    return Finding(
        next(ruling for ruling in order if ruling in rulings),
        tuple(line for finding in findings for line in finding.numbers),
        tuple(dict.fromkeys(i for finding in findings for i in finding.run_ids)),
        max(needed, default=None),
    )


# --- the table of checks ------------------------------------------------------------------------


@checked(frozen=True, config=CLOSED)
class MeanNear:
    """The mean final accuracy is `target` ± `margin`: its 95 % interval lies within, or without.

    Of several activations it is the mean over all, seed by seed.
    """

    activations: Names
    lr: Rate
    target: Finite
    margin: Margin

    def judge(self, case: Case) -> Finding:
        table = pd.DataFrame({name: case.finals(name, self.lr) for name in self.activations})
        values = table.dropna().mean(axis=1)
        seen = _seen(100 * values.to_numpy(dtype=float))
        whom = " and ".join(self.activations)
        numbers = f"{whom}: {_in_words(seen, '%')}{_left_out(case, self.activations, self.lr)}"
        limits = (self.target - self.margin, self.target + self.margin)
        aim = f", claimed {self.target:g} ± {self.margin:g} %"
        return _within(seen, limits, f"{numbers}{aim}", case.ids(self.activations, self.lr))


@checked(frozen=True, config=CLOSED)
class DifferenceNear:
    """`first` - `second` is `gap` ± `margin`: its paired interval lies within, or without."""

    first: Name
    second: Name
    lr: Rate
    margin: Margin
    gap: Finite = 0.0

    def judge(self, case: Case) -> Finding:
        aim = f", claimed {self.gap:g} ± {self.margin:g}"
        return _compared(case, self, (self.gap - self.margin, self.gap + self.margin), aim)


@checked(frozen=True, config=CLOSED)
class Greater:
    """`first` - `second` is more than `by`: its paired interval lies above, or below."""

    first: Name
    second: Name
    lr: Rate
    by: Finite = 0.0

    def judge(self, case: Case) -> Finding:
        return _compared(case, self, (self.by, math.inf))


@checked(frozen=True, config=CLOSED)
class Best:
    """`activation` is greater than each of the `others`."""

    activation: Name
    others: Names
    lr: Rate

    def judge(self, case: Case) -> Finding:
        return combine(
            [examine(Greater(self.activation, other, self.lr), case) for other in self.others]
        )


@checked(frozen=True, config=CLOSED)
class NoAdvantage:
    """None of the `activations` beats all of `over` by more than `by`.

    One of `over` for which the paired interval lies below `by` is enough for an activation; against
    the claim is one that lies above `by` for all of them.
    """

    activations: Names
    over: Names
    lr: Rate
    by: Margin

    def judge(self, case: Case) -> Finding:
        return combine([self._judge_one(name, case) for name in self.activations])

    def _judge_one(self, name: str, case: Case) -> Finding:
        findings = [
            _compared(case, Greater(name, other, self.lr), (-math.inf, self.by))
            for other in self.over
        ]
        rulings = [finding.ruling for finding in findings]
        whole = combine(findings)
        if Ruling.REPRODUCED in rulings:
            return Finding(Ruling.REPRODUCED, whole.numbers, whole.run_ids)
        if Ruling.INCONCLUSIVE not in rulings:
            return whole
        needed = [f.seeds_needed for f in findings if f.seeds_needed is not None]
        return Finding(Ruling.INCONCLUSIVE, whole.numbers, whole.run_ids, min(needed, default=None))


@checked(frozen=True, config=CLOSED)
class Learns:
    """Of each activation at least `share` of the runs learned; fewer than 5 decide nothing."""

    activations: Names
    lr: Rate
    share: Share = 0.8

    def judge(self, case: Case) -> Finding:
        return combine([_share_found(case, self, name, learned=True) for name in self.activations])


@checked(frozen=True, config=CLOSED)
class Fails:
    """Of each activation at least `share` of the runs failed or diverged; see Learns."""

    activations: Names
    lr: Rate
    share: Share = 0.8

    def judge(self, case: Case) -> Finding:
        return combine([_share_found(case, self, name, learned=False) for name in self.activations])


@checked(frozen=True, config=CLOSED)
class SlopeJump:
    """The slope of an activation's function jumps at 0 by `jump` ± `margin`, in magnitude.

    |(f(h) - f(0)) / h - (f(0) - f(-h)) / h| with h = 1e-6, in float64, of the function that
    conf/activation/ has under this name.
    """

    activation: Name
    jump: Margin
    margin: Margin

    def judge(self, case: Case) -> Finding:  # noqa: ARG002 - it needs no runs
        jump = slope_jump(shipped_activation(self.activation))
        is_near = abs(jump - self.jump) <= self.margin
        numbers = (
            f"{self.activation}: the slope jumps by {jump:.4f} at 0 (from its function, not from "
            f"runs), claimed {self.jump:g} ± {self.margin:g}"
        )
        return Finding(Ruling.REPRODUCED if is_near else Ruling.NOT_REPRODUCED, (numbers,))


@checked(frozen=True, config=CLOSED)
class UnitsGoFlat:
    """Runs of each activation that do not learn end with flat units, rather than diverge.

    Reproduced where, among them, the 95 % t-interval of the share of a layer's units that are flat,
    dead or saturated lies above `share`, and less than `diverged` of the runs diverged; against the
    claim is an interval below `share`, or more that diverged, or no run that failed.
    """

    activations: Names
    lr: Rate
    layer: Count = 1
    share: Share = 0.5
    diverged: Share = 0.5

    def judge(self, case: Case) -> Finding:
        return combine([self._judge_one(name, case) for name in self.activations])

    def _judge_one(self, name: str, case: Case) -> Finding:
        runs = case.cell(name, self.lr)
        lost = runs[runs["outcome"] != "learned"]
        ids = tuple(lost["run_id"])
        if lost.empty:
            return _nothing_failed(runs, name)
        diverged = int((lost["outcome"] == "diverged").sum())
        values = np.array(
            [
                _layer_share(case.fates(run_id, self.layer)[["flat", "dead", "saturated"]])
                for run_id in lost.loc[lost["outcome"] == "failed", "run_id"]
            ]
        )
        seen = _seen(values)
        numbers = (
            f"{name}: {diverged} of the {len(lost)} runs that did not learn diverged; units of "
            f"layer {self.layer} flat, dead or saturated in the others: {_in_words(seen, '%')}"
        )
        if len(lost) >= FEWEST and diverged >= self.diverged * len(lost):
            return Finding(Ruling.NOT_REPRODUCED, (numbers,), ids)
        return _within(seen, _above(self.share), numbers, ids, len(runs))


@checked(frozen=True, config=CLOSED)
class NegativeSwing:
    """Units that went flat in runs that failed had swung to the negative side before.

    In each run: of the units of a layer that are flat at its end, the share whose mean weight and
    bias both lay under their first records when they went flat. Reproduced where the 95 %
    t-interval of that share over the runs lies above `share`; against the claim is one below.
    """

    activations: Names
    lr: Rate
    layer: Count = 1
    share: Share = 0.5

    def judge(self, case: Case) -> Finding:
        return combine([self._judge_one(name, case) for name in self.activations])

    def _judge_one(self, name: str, case: Case) -> Finding:
        runs = case.cell(name, self.lr)
        failed = runs[runs["outcome"] == "failed"]
        if failed.empty:
            return _nothing_failed(runs, name)
        shares = []
        for run_id in failed["run_id"]:
            fates = case.fates(run_id, self.layer)
            if fates["flat"].any():
                swing = fates.loc[fates["flat"], ["swing_weight_mean", "swing_bias"]]
                shares.append(100 * float((swing < 0).all(axis=1).mean()))
        seen = _seen(np.array(shares))
        numbers = (
            f"{name}: flat units of layer {self.layer} that had swung to the negative side, in "
            f"{len(shares)} of {len(failed)} failed runs that have flat ones: "
            f"{_in_words(seen, '%')}"
        )
        ids = tuple(failed["run_id"])
        return _within(seen, _above(self.share), numbers, ids, len(runs))


CHECKS: dict[str, type[Check]] = {
    "best": Best,
    "difference_near": DifferenceNear,
    "fails": Fails,
    "greater": Greater,
    "learns": Learns,
    "mean_near": MeanNear,
    "negative_swing": NegativeSwing,
    "no_advantage": NoAdvantage,
    "slope_jump": SlopeJump,
    "units_go_flat": UnitsGoFlat,
}


def parse_check(settings: Any, name: str) -> Check:
    """Make the settings called `name` the check that their `check` names, or raise ConfigError."""
    if not isinstance(settings, dict) or "check" not in settings:
        raise ConfigError(f"{name}: give a check with its kind, as `check: best`")
    kind = settings["check"]
    if kind not in CHECKS:
        raise ConfigError(f"{name}.check={kind!r}: choose one of {', '.join(sorted(CHECKS))}")
    rest = {key: value for key, value in settings.items() if key != "check"}
    return parse(CHECKS[kind], rest, name)


def shipped_activation(name: str) -> Activation:
    """The activation of conf/activation/<name>.yaml, or raise ConfigError."""
    path = CONF / "activation" / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"activation={name}: there is no {path}")
    settings: Any = OmegaConf.to_container(OmegaConf.load(path))
    arguments = {str(key): value for key, value in settings.pop("function").items()}
    target = arguments.pop("_target_")
    whole = {**settings, "function": target, "arguments": tuple(sorted(arguments.items()))}
    return parse(Activation, whole, "activation")


@torch.no_grad()
def slope_jump(activation: Activation) -> float:
    """Magnitude of the jump of a function's slope at 0, from its one-sided differences."""
    x = torch.tensor([-STEP, 0.0, STEP], dtype=torch.float64)
    left, middle, right = make_function(activation).double()(x).tolist()
    return float(abs((right - middle) - (middle - left)) / STEP)


# --- what they have in common -------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A mean over n seeds or pairs with its 95 % interval; NaN where there is none."""

    n: int
    mean: float
    sd: float
    low: float
    high: float
    method: str


def _seen(values: Floats) -> Seen:
    found = stats.estimate(values)
    return Seen(
        found.n, float(found.mean), float(found.sd), float(found.low), float(found.high), stats.T
    )


def _compared(
    case: Case, pair: DifferenceNear | Greater, limits: tuple[float, float], aim: str = ""
) -> Finding:
    """Judge first - second by whether its interval lies within the limits."""
    names = (pair.first, pair.second)
    found = stats.compare_pair(*(case.finals(name, pair.lr) for name in names))
    if found.n == 0:
        raise Missing(f"{pair.first} and {pair.second} have no seed in common")
    mean, sd, low, high = (
        math.nan if x is None else 100 * x for x in (found.mean, found.sd, found.low, found.high)
    )
    method = stats.BCA if found.method == stats.BCA else stats.T
    seen = Seen(found.n, mean, sd, low, high, method)
    numbers = f"{pair.first} - {pair.second}: {_in_words(seen, 'points', '+.3f')}"
    numbers += f"{_left_out(case, names, pair.lr)}{aim}"
    return _within(seen, limits, numbers, case.ids(names, pair.lr))


def _within(
    seen: Seen,
    limits: tuple[float, float],
    numbers: str,
    ids: tuple[str, ...],
    tried: int | None = None,
) -> Finding:
    """Reproduced if the interval lies within the limits, against the claim if it lies without.

    `tried`: the runs it took to have the n values, if these are others than n.
    """
    (start, end), low, high = limits, round(seen.low, DIGITS), round(seen.high, DIGITS)
    if seen.n >= FEWEST and start < low and high < end:
        return Finding(Ruling.REPRODUCED, (numbers,), ids)
    if seen.n >= FEWEST and (high < start or low > end):
        return Finding(Ruling.NOT_REPRODUCED, (numbers,), ids)
    needed = _seeds_that_would_do(seen, limits, seen.n if tried is None else tried)
    return Finding(Ruling.INCONCLUSIVE, (numbers,), ids, needed)


def _seeds_that_would_do(seen: Seen, limits: tuple[float, float], tried: int) -> int | None:
    """Seeds with which the mean seen would be told from the nearest limit."""
    if seen.n < 2:
        return FEWEST if tried < FEWEST else None
    nearest = min(abs(seen.mean - limit) for limit in limits if math.isfinite(limit))
    needed = stats.seeds_to_resolve(round(nearest, DIGITS), seen.sd)
    if seen.n >= FEWEST:
        # As many as there are did not do, whatever the formula's chances are.
        needed = None if needed is None else max(needed, seen.n + 1)
    else:
        needed = max(FEWEST, needed or 0)
    return None if needed is None else math.ceil(needed * tried / seen.n)


def _above(share: float) -> tuple[float, float]:
    return 100 * share, math.inf


def _in_words(seen: Seen, unit: str, form: str = ".2f") -> str:
    if seen.n == 0:
        return "no value"
    mean = f"{seen.mean:{form}} {unit}"
    if seen.n == 1:
        return f"{mean} (n = 1, so no interval)"
    return f"{mean} (95 % {seen.method} {seen.low:{form}} to {seen.high:{form}}, n = {seen.n})"


def _left_out(case: Case, names: Sequence[str], lr: float) -> str:
    """Tell of the runs that have no accuracy."""
    counts = {name: int((case.cell(name, lr)["outcome"] == "diverged").sum()) for name in names}
    told = [f"{count} of {name}" for name, count in counts.items() if count > 0]
    return f", without runs that diverged ({', '.join(told)})" if told else ""


def _share_found(case: Case, check: Learns | Fails, name: str, *, learned: bool) -> Finding:
    """Whether at least `check.share` of the runs learned, or did not; with its exact interval.

    The interval is that of Clopper and Pearson (1934), as a share of 1.
    """
    runs = case.cell(name, check.lr)
    n, ids = len(runs), tuple(runs["run_id"])
    count = int(((runs["outcome"] == "learned") == learned).sum())
    chances = scipy_stats.binomtest(count, n).proportion_ci(stats.CONFIDENCE, method="exact")
    whom = f"{name} {'learned' if learned else 'did not learn'}"
    numbers = f"{whom}: {count} of {n} (95 % interval {chances.low:.2f} to {chances.high:.2f})"
    if n < FEWEST:
        return Finding(Ruling.INCONCLUSIVE, (numbers,), ids, FEWEST)
    is_enough = count / n >= check.share
    return Finding(Ruling.REPRODUCED if is_enough else Ruling.NOT_REPRODUCED, (numbers,), ids)


def _nothing_failed(runs: pd.DataFrame, name: str) -> Finding:
    """No failure, so nothing that the claim could be about."""
    numbers = f"{name}: none of {len(runs)} runs failed, so there is no failure to explain"
    if len(runs) < FEWEST:
        return Finding(Ruling.INCONCLUSIVE, (numbers,), tuple(runs["run_id"]), FEWEST)
    return Finding(Ruling.NOT_REPRODUCED, (numbers,), tuple(runs["run_id"]))


def _layer_share(verdicts: pd.DataFrame) -> float:
    """Units with any of the verdicts, in per cent."""
    return 100 * float(verdicts.any(axis=1).mean())
