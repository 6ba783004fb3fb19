"""What a claim can ask of the runs of its study: a closed table of checks, each with its rule.

Accuracies are in per cent and their differences in points, as claims state them.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf
from pydantic import Field
from pydantic.dataclasses import dataclass as checked
from scipy import stats as scipy_stats

from actscope.analysis import stats
from actscope.analysis.claims.decision import FEWEST, Seen
from actscope.analysis.claims.findings import (
    Case,
    Check,
    Finding,
    Missing,
    Ruling,
    combine,
    examine,
)
from actscope.config import CLOSED, Activation, Count, Finite, Name, parse
from actscope.engine.activations import make_function
from actscope.errors import ConfigError
from actscope.project import CONF

STEP = 1e-6  # of the one-sided differences at 0

Share = Annotated[Finite, Field(ge=0, le=1)]
Margin = Annotated[Finite, Field(ge=0)]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Rate = Annotated[Finite, Field(gt=0)]


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
        seen = Seen.of(100 * values.to_numpy(dtype=float))
        whom = " and ".join(self.activations)
        numbers = f"{whom}: {seen.in_words('%')}{_left_out(case, self.activations, self.lr)}"
        limits = (self.target - self.margin, self.target + self.margin)
        aim = f", claimed {self.target:g} ± {self.margin:g} %"
        return seen.judge(limits, f"{numbers}{aim}", case.ids(self.activations, self.lr))


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
        seen = Seen.of(values)
        numbers = (
            f"{name}: {diverged} of the {len(lost)} runs that did not learn diverged; units of "
            f"layer {self.layer} flat, dead or saturated in the others: {seen.in_words('%')}"
        )
        if len(lost) >= FEWEST and diverged >= self.diverged * len(lost):
            return Finding(Ruling.NOT_REPRODUCED, (numbers,), ids)
        return seen.judge(_above(self.share), numbers, ids, len(runs))


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
        seen = Seen.of(np.array(shares))
        numbers = (
            f"{name}: flat units of layer {self.layer} that had swung to the negative side, in "
            f"{len(shares)} of {len(failed)} failed runs that have flat ones: "
            f"{seen.in_words('%')}"
        )
        ids = tuple(failed["run_id"])
        return seen.judge(_above(self.share), numbers, ids, len(runs))


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
    left, middle, right = make_function(activation, torch.float64)(x).tolist()
    return float(abs((right - middle) - (middle - left)) / STEP)


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
    numbers = f"{pair.first} - {pair.second}: {seen.in_words('points', '+.3f')}"
    numbers += f"{_left_out(case, names, pair.lr)}{aim}"
    return seen.judge(limits, numbers, case.ids(names, pair.lr))


def _above(share: float) -> tuple[float, float]:
    return 100 * share, math.inf


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
