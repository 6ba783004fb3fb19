import pandas as pd
import pytest

from actscope.analysis.frames import StudyRuns, choose_runs, choose_seed
from actscope.analysis.labels import activation_order, natural, rate_text
from actscope.analysis.variants import describe_variants
from actscope.errors import ReportError
from tests.support.stored import FINISHED, as_read


def row(run_id: str, **changes: object) -> dict[str, object]:
    """A run as tracking.read_runs gives it, finished unless told otherwise."""
    run = {
        "run_id": run_id,
        "name": "relu lr=0.1 seed=0",
        **FINISHED,
        "activation": "relu",
        "data": "digits",
        "lr": "0.1",
        "seed": "0",
        "train.epochs": "10",
        "test/accuracy_final": 0.9,
        **changes,
    }
    return as_read(run)


def chosen(*rows: dict[str, object]) -> StudyRuns:
    return choose_runs("s", pd.DataFrame(list(rows)))


def why(runs: StudyRuns, run_id: str) -> str:
    return str(runs.runs.set_index("run_id").loc[run_id, "why"])


def test_of_two_finished_runs_of_a_point_the_newest_counts() -> None:
    runs = chosen(row("new", ended=5.0), row("old", ended=3.0))
    assert runs.used["run_id"].tolist() == ["new"]
    assert why(runs, "new") == "newest of 2 finished runs of its point"
    assert why(runs, "old") == "superseded by new"


def test_a_run_of_an_older_version_has_the_defaults_of_settings_that_came_later() -> None:
    newer = {
        "data.validation": "0",
        "data.test": "True",
        "data.train_size": "None",
        "data.scale": "unit",
        "data.noise": "0.0",
    }
    runs = chosen(row("old"), row("new", ended=5.0, **newer), row("noisy", **{"data.noise": "0.3"}))
    assert runs.runs.set_index("run_id")["variant"].to_dict() == {
        "old": "data.noise=0.0",
        "new": "data.noise=0.0",
        "noisy": "data.noise=0.3",
    }
    assert why(runs, "old") == "superseded by new"
    assert runs.values_of("data.scale") == ["unit"]


def test_an_unfinished_run_never_supersedes_a_finished_one() -> None:
    runs = chosen(row("done"), row("later", ended=9.0, status="KILLED"))
    assert runs.used["run_id"].tolist() == ["done"]
    assert why(runs, "later") == "KILLED"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "RUNNING", "ended": None}, "still RUNNING"),
        ({"status": "FAILED", "reason": "disk full"}, "status FAILED: disk full"),
        ({"status": "FAILED"}, "status FAILED"),
        ({"outcome": None}, "FINISHED, but has no outcome"),
        ({"test/accuracy_final": None}, "FINISHED, but has no final accuracy"),
        ({"seed": None}, "FINISHED, but has no parameters"),
    ],
)
def test_a_run_that_cannot_count_is_left_out_with_its_reason(
    changes: dict[str, object], reason: str
) -> None:
    runs = chosen(row("good"), row("bad", **changes))
    assert runs.left_out["run_id"].tolist() == ["bad"]
    assert why(runs, "bad") == reason


def test_a_diverged_run_counts_but_its_last_accuracy_does_not() -> None:
    runs = chosen(row("a"), row("b", seed="1", outcome="diverged"))
    assert runs.used["final"].isna().tolist() == [False, True]


def test_seed_of_63_bits_is_kept_exactly() -> None:
    seed = 2**63 - 1
    assert chosen(row("a", seed=str(seed))).used["seed"].tolist() == [seed]


def test_missing_points_are_those_of_the_grid_without_a_finished_run() -> None:
    runs = chosen(
        row("a"),
        row("b", seed="1", status="FAILED"),
        row("c", activation="elu"),
    )
    assert runs.grid_size == 4
    assert runs.missing[["activation", "seed"]].to_numpy().tolist() == [
        ["relu", 1],
        ["elu", 0 + 1],
    ]


def test_the_grid_of_each_variant_is_its_own() -> None:
    runs = chosen(row("a"), row("b", activation="elu", seed="1", **{"train.epochs": "50"}))
    assert runs.missing.empty
    assert runs.used["variant"].tolist() == ["train.epochs=10", "train.epochs=50"]


def test_no_finished_run_is_an_error_that_counts_what_there_is() -> None:
    with pytest.raises(ReportError, match=r"no finished runs \(1 FAILED, 1 RUNNING\)"):
        chosen(row("a", status="RUNNING"), row("b", status="FAILED"))


def test_a_study_without_runs_is_an_error() -> None:
    with pytest.raises(ReportError, match="no runs yet"):
        choose_runs("s", pd.DataFrame())


def test_a_setting_of_an_activation_is_a_variant_only_where_that_activation_varies() -> None:
    alpha = "activation.function.alpha"
    params = pd.DataFrame(
        {
            "activation": ["relu", "elu", "elu"],
            alpha: [None, "0.5", "1.0"],
            "data.root": ["/here", "/there", None],
        },
        index=["a", "b", "c"],
    )
    assert describe_variants(params).tolist() == ["", f"{alpha}=0.5", f"{alpha}=1.0"]


def test_a_seed_that_no_run_has_is_an_error_and_zero_is_a_seed() -> None:
    runs = chosen(row("a", seed="0"), row("b", seed="1"))
    assert choose_seed(runs, None) == 0
    assert choose_seed(runs, 0) == 0
    with pytest.raises(ReportError, match=r"report\.seed=7: .* Choose one of 0, 1"):
        choose_seed(runs, 7)


def test_the_article_s_seed_is_drawn_where_it_is_among_the_seeds() -> None:
    runs = chosen(row("a", seed="0"), row("b", seed="20170523"))
    assert choose_seed(runs, None) == 20170523
    assert choose_seed(runs, 0) == 0


def test_activations_stand_in_the_article_s_order_then_by_name() -> None:
    assert activation_order(["zeta", "elu", "alpha", "relu", "elu"]) == [
        "relu",
        "elu",
        "alpha",
        "zeta",
    ]


def test_numbers_in_texts_sort_as_numbers() -> None:
    assert sorted(["e=50", "e=5", "e=x"], key=natural) == ["e=5", "e=50", "e=x"]


def test_rates_that_differ_never_look_alike() -> None:
    assert rate_text(0.01) == "0.01"
    assert rate_text(1.0) == "1"
    assert rate_text(0.1234567) != rate_text(0.1234568)
