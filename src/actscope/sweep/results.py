"""The results of a sweep's points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from actscope.config import Point
from actscope.engine.result import Outcome
from actscope.errors import first_line
from actscope.tracking import RunSummary


@dataclass(frozen=True)
class Training:
    """A run's equal share of the time in which its stack was trained, and where that was."""

    seconds: float
    process: str


@dataclass(frozen=True)
class Done:
    """A point that was trained to the end, and its run.

    `run_id`: None where the run waits in the offline queue. A final value of its metric is NaN
    where the run diverged, or was not evaluated on these examples.
    """

    point: Point
    run_id: str | None
    outcome: Outcome
    test_final: float
    validation_final: float = math.nan
    is_earlier: bool = False  # whether an earlier sweep trained it
    training: Training | None = field(default=None, compare=False)  # of this sweep

    @property
    def final(self) -> float:
        """The final value on the test examples, or where it was not tested on the validation's."""
        return self.test_final if self.point.data.test else self.validation_final


@dataclass(frozen=True)
class Failed:
    """A point that was not trained to the end, and the reason."""

    point: Point
    reason: str


Result = Done | Failed


def from_earlier_run(point: Point, attempt: RunSummary) -> Done:
    """The result of a point from its finished run in the store."""
    assert attempt.outcome is not None
    metric = point.train.judged_by
    test, validation = (attempt.final(split, metric) for split in ("test", "validation"))
    if attempt.outcome is Outcome.DIVERGED:
        test = validation = math.nan
    return Done(point, attempt.run_id, attempt.outcome, test, validation, is_earlier=True)


def failed_all(points: Sequence[Point], error: BaseException) -> list[Result]:
    """Results of points whose whole stack raised an error."""
    return [Failed(point, first_line(error)) for point in points]
