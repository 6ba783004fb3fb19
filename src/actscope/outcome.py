"""How a run ended."""

from enum import StrEnum

from actscope.config import OutcomeRule


class Outcome(StrEnum):
    """`failed`: finished, but without learning; `diverged`: a number stopped being finite."""

    LEARNED = "learned"
    FAILED = "failed"
    DIVERGED = "diverged"


def judge(rule: OutcomeRule, late_accuracy: float, diverged_at: int | None) -> Outcome:
    """Outcome of a run by its training accuracy over the last tenth of the steps."""
    if diverged_at is not None:
        return Outcome.DIVERGED
    return Outcome.LEARNED if late_accuracy >= rule.learned_from else Outcome.FAILED
