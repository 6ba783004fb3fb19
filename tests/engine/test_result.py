import pytest

from actscope.config import OutcomeRule
from actscope.engine.result import Outcome, judge


@pytest.mark.parametrize(
    ("late_accuracy", "diverged_at", "outcome"),
    [
        (0.5, None, Outcome.LEARNED),  # the threshold itself has been reached
        (1.0, None, Outcome.LEARNED),
        (0.499, None, Outcome.FAILED),
        (0.0, None, Outcome.FAILED),
        (1.0, 7, Outcome.DIVERGED),
        (0.0, 0, Outcome.DIVERGED),  # step zero is a step
    ],
)
def test_outcome(late_accuracy, diverged_at, outcome):
    assert judge(OutcomeRule(learned_from=0.5), late_accuracy, diverged_at) is outcome
