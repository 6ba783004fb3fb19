"""What a sweep brings back of each point."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from actscope.config import Point
from actscope.outcome import Outcome
from actscope.tracking import Attempt

NOT_TRAINED = "not trained"


@dataclass(frozen=True)
class Done:
    """A point that was trained to the end, and its run."""

    point: Point
    run_id: str
    outcome: Outcome
    test_accuracy: float  # NaN where the run diverged
    is_earlier: bool = False  # whether another sweep did it


@dataclass(frozen=True)
class Failed:
    """A point that was not, and why."""

    point: Point
    reason: str


Result = Done | Failed


def done_before(point: Point, attempt: Attempt) -> Done:
    """What a finished run, found in the store, says of its point."""
    assert attempt.outcome is not None
    accuracy = math.nan if attempt.outcome is Outcome.DIVERGED else attempt.final_accuracy
    return Done(point, attempt.run_id, attempt.outcome, accuracy, is_earlier=True)


def cell_means(results: Sequence[Result]) -> pd.DataFrame:
    """Final test accuracy of each rate and activation, in that order, and how its points ended.

    Columns: lr, activation, mean, sd, n (points with a final accuracy), outcomes (in words).
    """

    def cell(result: Result) -> tuple[float, str]:
        return result.point.lr, result.point.activation.name

    return pd.DataFrame(
        [_cell_row(*key, list(own)) for key, own in groupby(sorted(results, key=cell), key=cell)]
    )


def _cell_row(lr: float, activation: str, members: Sequence[Result]) -> dict[str, Any]:
    finals = np.array([r.test_accuracy for r in members if isinstance(r, Done)], dtype=float)
    finals = finals[np.isfinite(finals)]
    ended = Counter(str(r.outcome) if isinstance(r, Done) else NOT_TRAINED for r in members)
    return {
        "lr": lr,
        "activation": activation,
        "mean": finals.mean() if len(finals) else math.nan,
        "sd": finals.std(ddof=1) if len(finals) > 1 else math.nan,
        "n": len(finals),
        "outcomes": ", ".join(f"{count} {outcome}" for outcome, count in sorted(ended.items())),
    }
