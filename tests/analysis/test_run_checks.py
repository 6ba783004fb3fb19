"""Checks of how runs end, and of what their units do."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from actscope.analysis.claims.verdicts import Verdict
from actscope.analysis.stats import T
from actscope.artifacts.unit_fates import unit_fates
from actscope.engine.trajectory import unit_frame
from tests.support.judging import claim, outcomes_of, verdict_on

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, TOO_FEW, NOT_RUN = Verdict


@pytest.mark.parametrize(
    ("outcomes", "learns", "fails"),
    [
        ("lllll", TOO_FEW, TOO_FEW),  # of 5 of 5: from 0.025^(1/5) = 0.478 on
        ("llllll", REPRODUCED, NOT_REPRODUCED),  # 0.025^(1/6) = 0.541
        ("llllllf", INCONCLUSIVE, INCONCLUSIVE),  # 6 of 7: from 0.42 on
        ("fffddd", NOT_REPRODUCED, REPRODUCED),
        ("ll", TOO_FEW, TOO_FEW),
    ],
)
def test_more_than_half_by_the_exact_interval_must_learn_or_fail(
    outcomes: str, learns: Verdict, fails: Verdict
) -> None:
    for kind, verdict in (("learns", learns), ("fails", fails)):
        check = {"check": kind, "activations": ["elu"]}
        assert verdict_on(claim(check), outcomes_of(elu=outcomes)).verdict is verdict


def test_five_of_five_say_that_six_would_be_enough() -> None:
    check = {"check": "learns", "activations": ["elu"]}
    result = verdict_on(claim(check), outcomes_of(elu="lllll"))
    assert result.in_words == "? cannot be decided with 5 seeds; 6 would"
    assert result.numbers == [
        "? elu learned: 5 of 5 runs, 100.0 % (95 % 47.8 to 100.0); power 0.00"
    ]


def test_the_verdict_is_told_at_other_thresholds_of_learning() -> None:
    check = {"check": "fails", "activations": ["elu"], "learned_from": [0.3, 0.7]}
    late = {f"elu-{seed}": 0.4 for seed in range(6)}
    result = verdict_on(claim(check), outcomes_of(elu="ffffffd"), late=late)
    assert result.verdict is REPRODUCED
    # At 0.3 six have learned; the seventh diverged.
    assert result.numbers[1].endswith(": 0.3: inconclusive; 0.7: reproduced")


def fates(flat: str, swings: Sequence[float] = ()) -> pd.DataFrame:
    """Units of layer 1, and one of layer 2; the panel's height is 10.

    `x` flat and dead, `s` flat and saturated, `-` flat alone, `d` dead alone, `.` none of it.
    `swings`: how far mean weight and bias had moved, of each unit.
    """
    moved = [*(swings or [-1.0] * len(flat)), 1.0]
    return pd.DataFrame(
        {
            "layer": [1] * len(flat) + [2],
            "flat": [*(letter in "xs-" for letter in flat), True],
            "dead": [*(letter in "xd" for letter in flat), False],
            "saturated": [*(letter == "s" for letter in flat), False],
            "swing_weight_mean": moved,
            "swing_bias": moved,
            "height_weight_mean": 10.0,
            "height_bias": 10.0,
        }
    )


GO_FLAT = claim({"check": "units_go_flat", "activations": ["elu"]})
SWING = claim({"check": "negative_swing", "activations": ["elu"], "size": 0.1})


def of_each(found: pd.DataFrame, seeds: int = 6) -> dict[str, pd.DataFrame]:
    return {f"elu-{seed}": found for seed in range(seeds)}


@pytest.mark.parametrize(
    ("units", "verdict"),
    [
        ("xxxs", REPRODUCED),  # each run counts as one: 6 of 6
        ("----", NOT_REPRODUCED),  # LeakyReLU's lines are flat too, and it learns
        ("dddd", NOT_REPRODUCED),
        ("xs..", INCONCLUSIVE),
    ],
)
def test_units_that_went_flat_must_be_dead_or_saturated_too(units: str, verdict: Verdict) -> None:
    found = verdict_on(GO_FLAT, outcomes_of(elu="ffffff"), of_each(fates(units)))
    assert found.verdict is verdict


def test_runs_of_which_the_exact_interval_says_they_diverge_did_not_go_flat() -> None:
    gone = of_each(fates("xxxx"), 12)
    assert verdict_on(GO_FLAT, outcomes_of(elu="f" * 11 + "d"), gone).verdict is REPRODUCED
    assert verdict_on(GO_FLAT, outcomes_of(elu="ffffdddddddd"), gone).verdict is TOO_FEW
    assert verdict_on(GO_FLAT, outcomes_of(elu="fddddddddddd"), gone).verdict is NOT_REPRODUCED


def test_where_nothing_failed_there_is_nothing_to_explain() -> None:
    for stated in (GO_FLAT, SWING):
        result = verdict_on(stated, outcomes_of(elu="llllll"))
        assert result.verdict is NOT_REPRODUCED
        assert "none of 6 runs failed" in result.numbers[0]
        assert verdict_on(stated, outcomes_of(elu="lllll")).verdict is TOO_FEW


def test_of_too_few_failures_enough_seeds_would_give_six() -> None:
    # 2 of 4 failed: 6 failures in 12 seeds.
    result = verdict_on(GO_FLAT, outcomes_of(elu="ffll"), of_each(fates("xxxx")))
    assert result.in_words == "? cannot be decided with 4 seeds; 12 would"


# A swing of 1 is a tenth of the panel's height. Two runs have another share than the others.
SHARES = [
    *([-1.0, -1.0, -0.9, 2.0], [-1.0, -1.0, -1.0, 2.0]),
    *([-1.0, -1.0, -1.0, -1.0] for _ in range(18)),
]


def swung(others: float) -> dict[str, pd.DataFrame]:
    """Four flat units of each run with SHARES, and two that did not go flat."""
    return {f"elu-{seed}": fates("xxxx..", [*own, others, 0.5]) for seed, own in enumerate(SHARES)}


def test_flat_units_had_swung_far_and_the_others_had_not() -> None:
    # Of 80 flat units 77 fell by 1 or more. Differences of shares: 50, 75 and 18 times 100 points:
    # 96.25, sd 12.23, ± 2.093 · 12.23 / √20 = 5.72.
    result = verdict_on(SWING, outcomes_of(elu="f" * 20), swung(others=-0.99))
    assert result.verdict is REPRODUCED
    assert "20 failed runs with such units: 96.2 %" in result.numbers[0]
    assert f"+96.2 points (95 % {T} +90.5 to +102.0, n = 20)" in result.numbers[1]


def test_the_verdict_on_swings_is_told_at_other_sizes() -> None:
    check = {"check": "negative_swing", "activations": ["elu"], "size": 0.1}
    stated = claim({**check, "sizes": [0.05, 0.1, 0.15]})
    result = verdict_on(stated, outcomes_of(elu="f" * 20), swung(others=-0.99))
    assert result.verdict is REPRODUCED
    # At 0.05 all flat units swung but two, and half of the others. At 0.15 no unit did.
    told = "the least size of a far swing: 0.05: reproduced; 0.1: reproduced; 0.15: not reproduced"
    assert result.numbers[2] == f"the verdict by {told}"


def test_a_swing_that_all_units_make_explains_nothing() -> None:
    found = {
        run_id: own.assign(swing_weight_mean=-1.0, swing_bias=-1.0)
        for run_id, own in swung(others=-1).items()
    }
    found["elu-0"] = fates("xxxx..", [-1, -1, -1, 2, -1, -1])  # 75 to 100 %
    found["elu-1"] = fates("xxxx..", [-1, -1, -1, -1, -1, 2])  # 100 to 50 %
    result = verdict_on(SWING, outcomes_of(elu="f" * 20), found)
    assert result.verdict is INCONCLUSIVE
    assert "+1.2 points" in result.numbers[1]


@pytest.mark.parametrize("every", [1, 20])
def test_the_verdict_on_swings_does_not_depend_on_how_often_units_are_recorded(every: int) -> None:
    # Three units fall by 1 until step 20 and stay there. Two rise to the end: a panel of height 2.
    # In every other run one more unit rises by 1 until step 20: shares of 1 and 3/4.
    steps = np.arange(0, 101, every)
    falling, rising = np.where(steps >= 20, -1.0, 0.0), steps / 100
    found = {}
    for seed in range(8):
        lines = np.stack([falling] * 3 + [-falling] * (seed % 2) + [rising] * 2, axis=1)
        ones = np.ones(lines.shape)
        moved = {"weight_mean": lines, "bias": lines, "update_norm": ones, "active": ones}
        probed = {"zero": 0 * ones, "negligible": 0 * ones, "weight_norm": ones}
        units = [lines.shape[1]]
        found[f"elu-{seed}"] = unit_fates(
            unit_frame(list(steps), units, moved), unit_frame(list(steps), units, probed)
        )
    result = verdict_on(SWING, outcomes_of(elu="f" * 8), found)
    assert result.verdict is REPRODUCED
    assert "85.7 %" in result.numbers[0]  # 24 of 28
    assert "+87.5 points" in result.numbers[1]


def test_swings_to_the_positive_side_or_too_small_ones_are_none() -> None:
    for move in (1.0, -0.9):
        result = verdict_on(SWING, outcomes_of(elu="f" * 6), of_each(fates("xx.", [move] * 3)))
        assert result.verdict is NOT_REPRODUCED


def test_units_that_were_flat_from_the_start_do_not_count() -> None:
    found = of_each(fates("xxx..", [-1, 0, 0, 0, 0]))
    result = verdict_on(SWING, outcomes_of(elu="ffffff"), found)
    assert "100.0 % (95 % 54.1 to 100.0)" in result.numbers[0]


def test_runs_without_flat_units_say_nothing_about_their_swing() -> None:
    result = verdict_on(SWING, outcomes_of(elu="ffffff"), of_each(fates("....")))
    assert result.in_words == "? cannot be decided"
    assert "nan" not in " ".join(result.numbers)


def test_units_that_were_not_recorded_are_not_run() -> None:
    result = verdict_on(GO_FLAT, outcomes_of(elu="fffff"))
    assert result.verdict is NOT_RUN
    assert "has no record of its units" in result.numbers[0]
