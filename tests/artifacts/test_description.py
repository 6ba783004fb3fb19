"""The description of a run: outcome, accuracy, and when its first hidden unit died."""

from dataclasses import replace

import numpy as np
import pandas as pd

from actscope.artifacts import metrics
from actscope.artifacts.unit_fates import unit_fates
from actscope.engine.result import Outcome, RunResult
from actscope.engine.trajectory import unit_frame
from tests.support.tracked import trained

STEPS = [0, 10, 20]


def result(negligible: list[list[float]]) -> RunResult:
    """A run with accuracy 0.9744; `negligible` at each step: of two hidden units and the output."""
    run = trained(1)[0]
    own = np.array(negligible, dtype=np.float32)
    ones = np.ones_like(own)
    lines = dict.fromkeys(("weight_mean", "bias", "update_norm", "active"), ones)
    probes = {"zero": own, "negligible": own, "weight_norm": ones, "scale": ones}
    history = run.history.assign(accuracy=0.97444)
    return replace(
        run,
        outcome=Outcome.LEARNED,
        history=history,
        trajectory=unit_frame(STEPS, [2, 1], lines),
        probe=unit_frame(STEPS, [2, 1], probes),
    )


def describe(run: RunResult) -> str:
    return metrics.describe(run, unit_fates(run.trajectory, run.probe))


def test_it_says_outcome_and_accuracy_and_then_the_first_death() -> None:
    # Unit 1 is dead from minibatch 10 on; unit 0 comes back.
    text = describe(result([[1, 0, 0], [0, 1, 0], [0, 1, 0]]))
    assert text == (
        "**learned**, final test accuracy 0.9744. Its first hidden unit died at minibatch 10 "
        "(layer 1, unit 1); at the end 1 of 2 hidden units are dead or saturated.\n\n"
        "relu lr=0.01 seed=0"
    )


def test_it_says_that_no_unit_died() -> None:
    text = describe(result([[0, 0, 0]] * 3))
    assert "None of its 2 hidden units died." in text


def test_a_diverged_run_has_no_accuracy() -> None:
    nothing = pd.DataFrame()
    run = replace(result([[0, 0, 0]] * 3), outcome=Outcome.DIVERGED, diverged_at=7)
    assert describe(replace(run, trajectory=nothing, probe=nothing)) == (
        "**diverged**: a number was no longer finite at minibatch 7.\n\nrelu lr=0.01 seed=0"
    )
