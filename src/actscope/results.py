"""What a sweep brings back of each point."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from actscope.config import Point
from actscope.outcome import Outcome
from actscope.tracking import Attempt


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
    outcome = Outcome(attempt.tags["outcome"])
    accuracy = math.nan if outcome is Outcome.DIVERGED else attempt.final_accuracy
    return Done(point, attempt.run_id, outcome, accuracy, is_earlier=True)


def by_cell(results: Sequence[Result]) -> Iterator[tuple[float, str, list[Result]]]:
    """Results of each rate and activation, in that order."""

    def cell(result: Result) -> tuple[float, str]:
        return result.point.lr, result.point.activation.name

    for (lr, activation), members in groupby(sorted(results, key=cell), key=cell):
        yield lr, activation, list(members)
