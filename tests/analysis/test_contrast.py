from collections.abc import Mapping, Sequence

import pytest

from actscope.analysis.contrast import Contrast, choose_contrast
from actscope.analysis.frames import StudyRuns
from actscope.errors import ConfigError, ReportError
from tests.support.judging import run_row, study

Row = Mapping[str, object]


def runs_at(activation: str, seeds: Mapping[str, str], gone: float, **changes: object) -> list[Row]:
    """Runs by rate, with a letter for each seed: `{"0.01": "fl"}`; failed ones lost `gone`."""
    return [
        run_row(
            activation,
            seed,
            0.5,
            run_id=f"{activation}-{lr}-{seed}-{changes}",
            lr=lr,
            outcome={"l": "learned", "f": "failed", "d": "diverged"}[letter],
            **{"saturated/layer1": gone if letter == "f" else 0.0},
            **changes,
        )
        for lr, letters in seeds.items()
        for seed, letter in enumerate(letters)
    ]


def made(*rows: Sequence[Row]) -> StudyRuns:
    return study([row for some in rows for row in some])


def named(contrast: Contrast) -> tuple[str, float, float]:
    assert contrast.higher["activation"] == contrast.lower["activation"]
    assert contrast.higher["seed"] == contrast.lower["seed"]
    return contrast.higher["activation"], contrast.higher["lr"], contrast.lower["lr"]


FULL = made(
    runs_at("relu", {"0.001": "ll", "0.003": "ll", "0.01": "lf", "0.03": "ff"}, 0.6),
    runs_at("selu", {"0.001": "ll", "0.003": "fl", "0.01": "ff", "0.03": "ff"}, 0.9),
    runs_at("elu", {"0.001": "lf", "0.003": "fl", "0.01": "ff", "0.03": "ff"}, 1.0),
)


def test_the_run_that_lost_most_is_shown_with_the_largest_rate_at_which_all_seeds_learned() -> None:
    # elu lost more, but there is no rate at which all of its seeds learned.
    assert named(choose_contrast(FULL, 0)) == ("selu", 0.003, 0.001)
    assert named(choose_contrast(FULL, 1)) == ("selu", 0.01, 0.001)


def test_an_activation_can_be_asked_for() -> None:
    assert named(choose_contrast(FULL, 0, activation="relu")) == ("relu", 0.03, 0.003)
    assert named(choose_contrast(FULL, 1, activation="relu")) == ("relu", 0.01, 0.003)
    with pytest.raises(ConfigError, match=r"film.activation=tanh: not in study s. Choose one of"):
        choose_contrast(FULL, 0, activation="tanh")


@pytest.mark.parametrize("rates", [(0.001, 0.01), (0.01, 0.001)])
def test_rates_can_be_asked_for_whatever_became_of_their_runs(rates: tuple[float, float]) -> None:
    found = choose_contrast(FULL, 0, activation="relu", rates=rates)
    assert named(found) == ("relu", 0.01, 0.001)
    assert found.higher["outcome"] == "learned"


def test_without_an_activation_given_rates_are_those_of_the_one_that_lost_most() -> None:
    assert named(choose_contrast(FULL, 0, rates=(0.001, 0.01))) == ("elu", 0.01, 0.001)


def test_a_rate_that_no_run_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"film.rates=\[0.001,0.5\].* two of 0.001, 0.003, 0.01"):
        choose_contrast(FULL, 0, rates=(0.001, 0.5))


def test_a_run_that_fails_for_want_of_steps_lost_no_units_and_is_not_shown() -> None:
    slow = made(runs_at("relu", {"0.0001": "l", "0.001": "f"}, 0.0))
    with pytest.raises(ReportError, match=r"study=s: no run of seed 0 lost units of layer 1"):
        choose_contrast(slow, 0)


def test_a_diverged_run_is_shown_only_if_it_is_asked_for() -> None:
    runs = made(runs_at("relu", {"0.001": "l", "1": "d"}, 0.0))
    with pytest.raises(ReportError, match=r"film\.rates"):
        choose_contrast(runs, 0, activation="relu")
    assert named(choose_contrast(runs, 0, rates=(0.001, 1))) == ("relu", 1.0, 0.001)


def test_both_runs_are_of_one_variant() -> None:
    wide = {"model.hidden": "[128]"}
    runs = made(
        runs_at("relu", {"0.001": "l", "0.01": "l"}, 0.0),
        runs_at("relu", {"0.0001": "l", "0.001": "f", "0.01": "f"}, 0.5, **wide),
    )
    found = choose_contrast(runs, 0)
    assert named(found) == ("relu", 0.001, 0.0001)
    assert found.higher["variant"] == found.lower["variant"] == "model.hidden=[128]"
