"""What a sweep brings back of each point."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from actscope.config import Point
from actscope.outcome import Outcome


@dataclass(frozen=True)
class Done:
    """A point that was trained to the end, and its run."""

    point: Point
    run_id: str
    outcome: Outcome
    test_accuracy: float  # NaN where the run diverged


@dataclass(frozen=True)
class Failed:
    """A point that was not, and why."""

    point: Point
    reason: str


Result = Done | Failed


def by_cell(results: Sequence[Result]) -> Iterator[tuple[float, str, list[Result]]]:
    """Results of each rate and activation, in that order."""

    def cell(result: Result) -> tuple[float, str]:
        return result.point.lr, result.point.activation.name

    for (lr, activation), members in groupby(sorted(results, key=cell), key=cell):
        yield lr, activation, list(members)
