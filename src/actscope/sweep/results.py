"""The results of a sweep's points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from actscope.analysis.labels import sort_key
from actscope.analysis.stats import NOT_TRAINED, summarise
from actscope.config import Point, flat_settings
from actscope.engine.result import Outcome
from actscope.errors import first_line
from actscope.sweep.grid_variants import variants_of
from actscope.tracking import RunSummary


@dataclass(frozen=True)
class Done:
    """A point that was trained to the end, and its run.

    `run_id`: None where the run waits in the offline queue.
    """

    point: Point
    run_id: str | None
    outcome: Outcome
    test_accuracy: float  # NaN where the run diverged
    is_earlier: bool = False  # whether an earlier sweep trained it


@dataclass(frozen=True)
class Failed:
    """A point that was not trained to the end, and the reason."""

    point: Point
    reason: str


Result = Done | Failed


def from_earlier_run(point: Point, attempt: RunSummary) -> Done:
    """The result of a point from its finished run in the store."""
    assert attempt.outcome is not None
    accuracy = math.nan if attempt.outcome is Outcome.DIVERGED else attempt.final_accuracy
    return Done(point, attempt.run_id, attempt.outcome, accuracy, is_earlier=True)


def failed_all(points: Sequence[Point], error: BaseException) -> list[Result]:
    """Results of points whose whole stack raised an error."""
    return [Failed(point, first_line(error)) for point in points]


def cell_means(results: Sequence[Result]) -> pd.DataFrame:
    """Final test accuracy and outcomes over the seeds of each variant, rate and activation.

    The numbers are those of a report. Columns: those of stats.summarise without the best accuracy.
    """
    runs = pd.DataFrame(
        {
            "variant": variants_of([flat_settings(result.point) for result in results]),
            "activation": [result.point.activation.name for result in results],
            "lr": [result.point.lr for result in results],
            "outcome": [_outcome(result) for result in results],
            "final": [r.test_accuracy if isinstance(r, Done) else math.nan for r in results],
        }
    )
    by_cell = runs.sort_values(["variant", "lr", "activation"], key=sort_key, kind="stable")
    return summarise(by_cell, ["final"])


def _outcome(result: Result) -> str:
    return str(result.outcome) if isinstance(result, Done) else NOT_TRAINED
