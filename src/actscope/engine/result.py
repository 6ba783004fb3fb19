"""The result and outcome of a run."""

import math
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd
from torch import Tensor

from actscope.config import OutcomeRule, Point


class Outcome(StrEnum):
    """`failed`: finished without learning; `diverged`: a number stopped being finite."""

    LEARNED = "learned"
    FAILED = "failed"
    DIVERGED = "diverged"


def judge(rule: OutcomeRule, late_accuracy: float, diverged_at: int | None) -> Outcome:
    """Outcome of a run by its training accuracy over the last tenth of the steps."""
    if diverged_at is not None:
        return Outcome.DIVERGED
    return Outcome.LEARNED if late_accuracy >= rule.learned_from else Outcome.FAILED


@dataclass(frozen=True, eq=False)
class RunResult:
    """The result of one point.

    `history`, `trajectory` and `probe` have the columns of the run's Parquet files; those of a
    diverged run end before step `diverged_at`. `state` has the run's tensors in the layout of
    torch.nn.Linear and BatchNorm1d.
    """

    point: Point
    outcome: Outcome
    diverged_at: int | None
    history: pd.DataFrame
    trajectory: pd.DataFrame
    probe: pd.DataFrame
    state: dict[str, Tensor]

    @property
    def test_accuracy(self) -> float:
        """Final test accuracy; NaN if the run diverged."""
        if self.diverged_at is not None:
            return math.nan
        return float(self.history.loc[self.history["split"] == "test", "accuracy"].iloc[-1])
