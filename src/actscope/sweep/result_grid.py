"""Final values and outcomes of a sweep so far, by variant, activation and rate."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

from actscope.analysis.labels import activation_order, natural
from actscope.config import Point
from actscope.engine.result import Outcome
from actscope.metric import Metric
from actscope.parsing import flat_settings
from actscope.sweep.grid_variants import variants_of
from actscope.sweep.results import Failed, Result


@dataclass
class GridCell:
    """The results of a cell so far. `points`: how many there will be."""

    points: int = 0
    finals: list[float] = field(default_factory=list)  # of the runs that learned
    ends: Counter[Outcome | None] = field(default_factory=Counter)  # None: not trained

    @property
    def done(self) -> int:
        return self.ends.total()

    def add(self, result: Result) -> None:
        if isinstance(result, Failed):
            self.ends[None] += 1
            return
        self.ends[result.outcome] += 1
        # A metric of an earlier run may have been deleted in MLflow.
        if result.outcome is Outcome.LEARNED and math.isfinite(result.final):
            self.finals.append(result.final)


Row = dict[float, GridCell]  # by rate


class ResultGrid:
    """The cells of a grid, which fill while results arrive.

    `groups`: rows of cells by activation, of each study and variant, by its heading. `done`: points
    that have ended. A thread that draws the grid holds `filling`.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = points
        self.done = 0
        self.filling = Lock()
        self.rates = sorted({point.lr for point in points})
        self.cell_of: dict[Point, GridCell] = {}
        headings = _headings(points)
        rows: dict[tuple[str, str], Row] = {}
        for point in points:
            row = rows.setdefault((headings[point], point.activation.name), {})
            cell = self.cell_of[point] = row.setdefault(point.lr, GridCell())
            cell.points += 1
        names = activation_order(name for _, name in rows)
        self.groups: dict[str, dict[str, Row]] = {
            heading: {name: rows[heading, name] for name in names if (heading, name) in rows}
            for heading in sorted(set(headings.values()), key=natural)
        }

    @property
    def ends(self) -> Counter[Outcome | None]:
        """How many points have ended in each way; None: not trained."""
        rows = (row for rows in self.groups.values() for row in rows.values())
        return sum((cell.ends for row in rows for cell in row.values()), Counter())

    def add(self, results: Iterable[Result]) -> None:
        with self.filling:
            for result in results:
                self.cell_of[result.point].add(result)
                self.done += 1


class Measured(NamedTuple):
    """What final values are: a metric, and the split that it is measured on."""

    metric: Metric
    split: str

    @classmethod
    def of(cls, points: Sequence[Point]) -> "Measured":
        """Of points of one metric, as `check_grid` demands it."""
        is_tested = all(point.data.test for point in points)
        return cls(points[0].train.judged_by, "test" if is_tested else "validation")

    def __str__(self) -> str:
        return f"{self.split} {self.metric.words}"


def heading_of(study: str, variant: str, studies: int) -> str:
    """What a table of a variant of a study is headed with, in a sweep of so many studies."""
    return f"{study if studies > 1 else ''} {variant}".strip()


def _headings(points: Sequence[Point]) -> dict[Point, str]:
    of_study: dict[str, list[Point]] = {}
    for point in points:
        of_study.setdefault(point.study, []).append(point)
    return {
        point: heading_of(study, variant, len(of_study))
        for study, own in of_study.items()
        for point, variant in zip(
            own, variants_of([flat_settings(point) for point in own]), strict=True
        )
    }
