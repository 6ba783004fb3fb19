"""Checks of studies in which each cell has its own rate, on values worked by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from actscope.analysis.claims.checks import parse_check
from actscope.analysis.claims.claims import Claim, ClaimResult, Evidence, judge
from actscope.analysis.claims.verdicts import Verdict
from actscope.analysis.stats import T
from tests.support.judging import records, run_row, study

NOISE = (-0.1, 0.1, -0.1, 0.1, 0.0, 0.0)  # points; mean 0, sd 0.0894
DEEP = {"model.depth": 4}


def cell(
    name: str, depth: int, finals: Sequence[float], lr: float = 0.01, **changes: object
) -> list[dict[str, Any]]:
    """Runs with these accuracies in per cent, at the chosen rate; those at half of it are poor."""
    words = {"model.hidden": str([64] * depth), **changes}
    ending = f"{depth}-{'-'.join(map(str, changes.values()))}"
    return [
        run_row(name, seed, value / share / 100, lr=str(lr / share), **words)
        | {"run_id": f"{name}-{seed}-{ending}-{share}"}
        for share in (1, 2)
        for seed, value in enumerate(finals)
    ]


def level(mean: float, noise: Sequence[float] = NOISE) -> list[float]:
    return [mean + each for each in noise]


def verdict(check: Mapping[str, Any], rows: Sequence[Mapping[str, object]]) -> ClaimResult:
    claim = Claim("L1", "A claim.", "a source", "a rule", (parse_check(dict(check), "c"),), "s")
    return judge([claim], Evidence({"s": study(rows)}, records()))[0]


LEAD = {"check": "tuned_lead", "activation": "elu", "over": ["relu"], "gap": 0.5, "at": DEEP}


def test_a_lead_compares_the_runs_of_a_depth_at_each_activations_own_rate() -> None:
    equal = [*cell("elu", 1, level(97.0)), *cell("relu", 1, level(97.0))]
    ahead = [*cell("elu", 4, level(97.5)), *cell("relu", 4, [97.0] * 6, lr=0.5)]
    result = verdict(LEAD, [*equal, *ahead])
    assert result.verdict is Verdict.REPRODUCED
    # The lead is 0.5 with sd 0.0894: 0.5 -+ 2.5706 * 0.0894 / sqrt(6).
    assert (
        f"elu - relu at model.depth=4: +0.500 points (95 % {T} +0.406 to +0.594, n = 6)"
        in (result.numbers[0])
    )
    assert len(result.run_ids) == 12
    for by, found in ((0.3, Verdict.REPRODUCED), (0.7, Verdict.NOT_REPRODUCED)):
        assert verdict({**LEAD, "by": by, "gap": 1.0}, [*equal, *ahead]).verdict is found


def test_a_cell_that_was_not_judged_gets_no_verdict() -> None:
    rows = [*cell("elu", 4, level(97.5)), *cell("relu", 1, level(97.0))]
    result = verdict(LEAD, rows)
    assert result.verdict is Verdict.NOT_RUN
    assert result.numbers == ["no finished run of relu at model.depth=4"]


def test_settings_that_leave_several_cells_give_no_verdict() -> None:
    rows = [
        *cell("elu", 4, level(97.5), **{"train.epochs": "2"}),
        *cell("elu", 4, level(97.5), **{"train.epochs": "10"}),
        *cell("relu", 4, [97.0] * 6, **{"train.epochs": "2"}),
    ]
    assert "runs of elu at model.depth=4 differ in" in verdict(LEAD, rows).numbers[0]
    both = {**LEAD, "at": {**DEEP, "train.epochs": 2}}
    assert verdict(both, rows).verdict is Verdict.REPRODUCED


GROWS = {"check": "grows", "activation": "elu", "over": ["relu"], "gap": 0.2}


def test_a_lead_grows_if_its_slope_over_the_doublings_of_depth_is_above_0() -> None:
    rows = [
        *(row for depth in (1, 2, 4) for row in cell("relu", depth, [96.0] * 6)),
        *cell("elu", 1, level(96.0)),
        *cell("elu", 2, level(96.2)),
        *cell("elu", 4, level(96.4, [-noise for noise in NOISE])),
    ]
    # By seed: leads 0, 0.2, 0.4 with noise e, e, -e: slope 0.2 - e over 0, 1, 2; sd 0.0894.
    result = verdict(GROWS, rows)
    assert result.verdict is Verdict.REPRODUCED
    assert "elu - relu a doubling of 1 to 4 layers: +0.200 points" in result.numbers[0]
    assert "+0.106 to +0.294, n = 6" in result.numbers[0]
    two_depths = [row for row in rows if row["params.model.hidden"] != "[64]"]
    assert verdict(GROWS, two_depths).numbers == ["elu and relu share only 2 depths"]


def test_a_seed_that_was_lost_at_one_depth_has_no_slope() -> None:
    rows = [
        row
        for depth in (1, 2, 4)
        for name, mean in (("elu", 96 + depth / 10), ("relu", 96.0))
        for row in cell(name, depth, level(mean) if name == "elu" else [mean] * 6)
    ]
    lost = next(row for row in rows if row["run_id"] == "relu-3-2--1")
    lost |= {"outcome": "failed"}
    assert (
        "n = 5, all equal, so no interval), without 1 of 6 seeds" in verdict(GROWS, rows).numbers[0]
    )


def test_leads_of_two_variants_are_compared_seed_by_seed() -> None:
    rows = [
        *cell("elu", 1, level(90.0), **{"train.batch_size": "10"}),
        *cell("relu", 1, [89.0] * 6, **{"train.batch_size": "10"}),
        *cell("elu", 1, [97.2] * 6, **{"train.batch_size": "100"}),
        *cell("relu", 1, [97.0] * 6, **{"train.batch_size": "100"}),
    ]
    check = {
        "check": "lead_differs",
        "first": "elu",
        "second": "relu",
        "here": {"train.batch_size": 10},
        "there": {"train.batch_size": 100},
        "gap": 0.5,
    }
    result = verdict(check, rows)
    assert result.verdict is Verdict.REPRODUCED
    assert ": +0.800 points (95 %" in result.numbers[0]


def test_a_statistic_of_the_start_is_near_a_value_or_is_not() -> None:
    rows = cell("relu", 4, level(97.0))
    for row, value in zip(rows, level(1.0) * 2, strict=True):
        row["metrics.start/signal_a_layer"] = value
    check = {"check": "at_start", "activation": "relu", "metric": "signal_a_layer", "margin": 0.2}
    assert verdict({**check, "target": 1.0}, rows).verdict is Verdict.REPRODUCED
    assert verdict({**check, "target": 2.0}, rows).verdict is Verdict.NOT_REPRODUCED
    none = verdict({**check, "target": 1.0, "metric": "other"}, rows)
    assert none.numbers == ["no run has the metric start/other"]


@pytest.mark.parametrize("missing", ["activation", "over", "gap"])
def test_a_check_names_what_it_lacks(missing: str) -> None:
    with pytest.raises(Exception, match=missing):
        parse_check({key: value for key, value in LEAD.items() if key != missing}, "c")
