"""A metric whose smallest value is best: in statistics, rankings, tuning and claims, by hand."""

from collections.abc import Sequence
from math import log2

import numpy as np
import pandas as pd
import pytest

from actscope.analysis.comparison import pair
from actscope.analysis.factors import Factors
from actscope.analysis.lead_words import undecided
from actscope.analysis.ranking import find_lead, ranked_cells
from actscope.analysis.stats import compare, summarise
from actscope.analysis.tuned_tables import leads_by_seed, rivals
from actscope.analysis.tuning import Trial, plan_cell
from actscope.analysis.tuning_budget import budget
from actscope.artifacts.metrics import Series, final_and_best
from actscope.errors import ReportError
from actscope.metric import ACCURACY, R2, RMSE
from actscope.report.text.study import answer
from actscope.tuning_settings import Tuning
from tests.support.judging import claim, run_row, study, verdict_on

MSE = {"train.loss": "mse", "train.metric": "rmse"}


def rows_of(**finals: Sequence[float]) -> list[dict[str, object]]:
    """Runs that are judged by RMSE, by activation and seed."""
    return [
        run_row(name, seed, np.nan, **MSE, **{"test/rmse_final": value})
        for name, values in finals.items()
        for seed, value in enumerate(values)
    ]


SMALLER = rows_of(elu=[0.1, 0.2, 0.12, 0.15, 0.11], relu=[0.4, 0.5, 0.45, 0.4, 0.42])


def test_the_best_value_of_a_series_is_the_smallest() -> None:
    series = {
        "test/rmse": Series(np.arange(3), np.array([3.0, 1.0, 2.0])),
        "test/r2": Series(np.arange(3), np.array([0.1, 0.3, 0.2])),
    }
    found = final_and_best(series)
    assert (found["test/rmse_final"], found["test/rmse_best"]) == (2.0, 1.0)
    assert (found["test/r2_final"], found["test/r2_best"]) == (0.2, 0.3)


def test_the_cell_with_the_smallest_mean_leads() -> None:
    runs = study(SMALLER)
    assert runs.metric is RMSE
    cells = runs.cells
    assert ranked_cells(cells, RMSE)["activation"].tolist() == ["elu", "relu"]
    lead = find_lead(runs.used, cells, metric=RMSE)
    assert lead.best is not None
    assert lead.difference is not None
    assert (lead.best["activation"], len(lead.passed_over)) == ("elu", 0)
    assert float(lead.difference.mean) == pytest.approx(0.136 - 0.434)
    (said,) = answer({"": "test"}, cells, {"": lead}, RMSE)
    assert said[0].startswith("elu at lr = 0.001 has the lowest mean of 2 cells, on the test set")
    assert said[1].startswith("That is 0.2980 below the next activation, relu at its best rate")
    assert not said[1].endswith("either may be better.")


def test_the_better_pairs_are_those_with_the_smaller_value() -> None:
    used = study(SMALLER).used
    (row,) = compare(used, RMSE).to_dict("records")
    assert (row["first"], row["better"], row["mean"] > 0) == ("relu", 0, True)
    assert compare(used, ACCURACY)["better"].tolist() == [5]


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-2, -1, ""),
        (1, 2, ": the next one is better"),
        (-1, 1, ": either may be better"),
    ],
)
def test_an_interval_below_zero_is_better(low, high, words) -> None:
    assert undecided(low, high, RMSE) == words


def test_the_study_with_the_smaller_values_is_ahead() -> None:
    larger = study(rows_of(elu=[0.3, 0.42, 0.31, 0.37, 0.3]))
    both = pair(study(rows_of(elu=[0.1, 0.2, 0.12, 0.15, 0.11])), larger)
    assert both.cells["ahead"].tolist() == ["first"]


def test_studies_of_different_metrics_are_not_compared() -> None:
    with pytest.raises(ReportError, match="the first has test RMSE, the second test accuracies"):
        pair(study(SMALLER), study([run_row("relu", 0, 0.5)]))


def test_a_study_has_one_metric() -> None:
    mixed = [*SMALLER, run_row("relu", 7, 0.5)]
    with pytest.raises(ReportError, match=r"judged by different metrics, .*RMSE.* Train those of"):
        study(mixed)


def test_a_value_outside_its_limits_is_not_counted() -> None:
    runs = study([*SMALLER, *rows_of(selu=[-0.1])])
    (why,) = runs.left_out["why"]
    assert why == "FINISHED, but its final RMSE is not between 0 and inf"


RULES = Tuning(rates=(0.01, 0.04, 0.16), seeds=(7, 8), evaluation_seeds=(1, 2), extensions=2)


def error(rate: float, seed: int) -> Trial:
    """Smallest at 0.08, and lost above 0.2; seed 8 is worse."""
    return None if rate > 0.2 else 0.1 + 0.1 * abs(log2(rate / 0.08)) + 0.01 * (seed - 7)


def test_the_rate_of_the_smallest_value_is_chosen() -> None:
    trials: dict[tuple[float, int], Trial] = {}
    while (plan := plan_cell(RULES, trials, RMSE.chance, RMSE)).missing:
        trials |= {trial: error(*trial) for trial in plan.missing}
    assert plan.choice is not None
    assert (plan.choice.rate, plan.choice.flag) == (0.08, "")
    means = [score.mean for score in plan.choice.scores]  # at 0.02, 0.04, 0.08 and 0.16
    assert means == pytest.approx([0.305, 0.205, 0.105, 0.205])


def test_the_expected_best_of_more_trials_is_smaller() -> None:
    """Of 3, 1 and a lost one, which counts as the worst of all trials, 4."""
    trials = pd.DataFrame(
        {"activation": ["relu"] * 3 + ["elu"], "seed": 7, "validation": [3.0, 1.0, np.nan, 4.0]}
    ).assign(variant="", chance=np.nan)
    found = budget(trials, 7, Factors(()), RMSE)
    expected = found.loc[found["activation"] == "relu", "expected"].tolist()
    assert expected == pytest.approx([8 / 3, (1 + 1 + 3) / 3, 1.0])


def test_a_tuned_lead_is_how_much_smaller_the_value_is() -> None:
    names = ["relu", "leaky_relu", "elu"]
    chosen = pd.DataFrame(
        {"variant": "", "activation": names, "lr": 0.1, "validation": [0.5, 0.4, 0.3], "flag": ""}
    )
    assert rivals(chosen, Factors(()), RMSE)["rival"].tolist() == ["leaky_relu"]
    final = {"relu": 0.1, "leaky_relu": 0.6, "elu": 0.2}
    runs = chosen[["variant", "activation", "lr"]].assign(
        seed=1, outcome="learned", final=[final[name] for name in names]
    )
    found = leads_by_seed(runs, chosen, Factors(()), RMSE)
    assert found["lead"].tolist() == pytest.approx([0.4])


def test_claims_say_better_and_not_larger() -> None:
    best = {"check": "best", "activation": "elu", "others": ["relu"], "gap": 0.3}
    result = verdict_on(claim(best), SMALLER)
    assert result.verdict == "reproduced"
    assert result.numbers[0].startswith("✓ relu - elu: +0.29800 (95 % t-interval over seeds +0.")
    other = {"check": "greater", "first": "relu", "second": "elu", "gap": 0.3}
    assert verdict_on(claim(other), SMALLER).verdict == "not reproduced"


def test_claims_on_r2_are_in_its_own_unit() -> None:
    values = [0.8, 0.81, 0.79, 0.8, 0.82]
    rows = [
        run_row("elu", seed, np.nan, **{"train.loss": "mse", "test/r2_final": value})
        for seed, value in enumerate(values)
    ]
    assert study(rows).metric is R2
    assert summarise(study(rows).used)["final_mean"].tolist() == pytest.approx([0.804])
    near = {"check": "mean_near", "activations": ["elu"], "target": 0.8, "margin": 0.1}
    result = verdict_on(claim(near), rows)
    assert result.verdict == "reproduced"
    assert "elu: 0.8040 (95 % t-interval" in result.numbers[0]
    assert "claimed 0.8 ± 0.1" in result.numbers[0]
