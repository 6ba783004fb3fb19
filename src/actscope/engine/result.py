"""The result and outcome of a run."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from actscope.config import OutcomeRule, Point

if TYPE_CHECKING:  # commands that only read outcomes import neither
    from collections.abc import Sequence

    import pandas as pd
    from torch import Tensor


class Outcome(StrEnum):
    """`failed`: finished without learning; `diverged`: a number stopped being finite."""

    LEARNED = "learned"
    FAILED = "failed"
    DIVERGED = "diverged"


def judge(rule: OutcomeRule, late: float, diverged_at: int | None) -> Outcome:
    """Outcome of a run by its training accuracy, or R², over the last tenth of the steps."""
    if diverged_at is not None:
        return Outcome.DIVERGED
    return Outcome.LEARNED if late >= rule.learned_from else Outcome.FAILED


@dataclass(frozen=True, eq=False)
class RunResult:
    """The result of one point.

    `history`, `trajectory`, `probe`, `layers` and `predictions` have the columns of the run's
    Parquet files. The first four of a diverged run end before step `diverged_at`, its predictions
    are empty, and so are those of a run whose targets are numbers.
    `layer_names` and `widths` (units) are those of all layers, the output layer's last.
    `predictions` says whether the network is right about each test image. `state` has the tensors
    of the tested network in the layout of torch.nn.Linear and BatchNorm1d.
    """

    point: Point
    layer_names: "Sequence[str]"
    widths: "Sequence[int]"
    outcome: Outcome
    diverged_at: int | None
    history: "pd.DataFrame"
    trajectory: "pd.DataFrame"
    probe: "pd.DataFrame"
    layers: "pd.DataFrame"
    predictions: "pd.DataFrame"
    state: dict[str, "Tensor"]

    @property
    def test_final(self) -> float:
        """The metric of the tested network; NaN if the run diverged, or was not tested."""
        return self._last("test")

    @property
    def validation_final(self) -> float:
        """The metric on validation after the last epoch; NaN if it diverged, or without any."""
        return self._last("validation")

    def _last(self, split: str) -> float:
        of_split = (self.history["split"] == split).to_numpy()
        rows = self.history[self.point.train.judged_by.name].to_numpy()[of_split]
        return math.nan if self.diverged_at is not None or not len(rows) else float(rows[-1])
