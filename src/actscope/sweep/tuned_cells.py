"""The cells of a tuned study: what they have, what they need next, and what they have chosen.

A cell is a point without rate and seed. Its trials are runs of the study `NAME.tuning`, which are
never tested. The runs that judge its choice are those of the study `NAME`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from actscope import tracking
from actscope.analysis.tuning import RATES, TRIALS, CellPlan, plan_cell
from actscope.config import Point, Tuning
from actscope.engine.images import describe_data
from actscope.engine.result import Outcome
from actscope.errors import ConfigError, MissingStudyError
from actscope.metric import ACCURACY
from actscope.setting_types import LONGEST_NAME
from actscope.sweep.results import Done, from_earlier_run
from actscope.tracking import GridPoint, RunSummary, Store


@dataclass(frozen=True)
class TunedCell:
    """A cell, its finished runs, and what it needs next."""

    cell: Point
    rules: Tuning
    done: Mapping[Point, Done]
    plan: CellPlan

    @property
    def stage(self) -> str:
        """`coarse`, `fine`, `evaluation` or `done`."""
        if self.plan.choice is None:
            return self.plan.stage
        return "evaluation" if self.missing() else "done"

    def wanted(self) -> list[Point]:
        """The points of the present stage."""
        if self.plan.choice is None:
            return [_trial(self.cell, *trial) for trial in self.plan.missing]
        rate = self.plan.choice.rate
        if rate is None or self.plan.choice.flag:
            return []  # it gets no verdict
        judged = product(RATES.values(), self.rules.evaluation_seeds)
        return [replace(self.cell, lr=rate * share, seed=seed) for share, seed in judged]

    def missing(self) -> list[Point]:
        """The points to train next."""
        return [point for point in self.wanted() if point not in self.done]

    def trials(self) -> list[Done]:
        return [done for point, done in self.done.items() if point.study != self.cell.study]

    def evaluations(self) -> list[Done]:
        return [done for point, done in self.done.items() if point.study == self.cell.study]

    def chosen_by(self) -> list[str]:
        """Ids of the runs that chose the rate, without those that wait in the offline queue."""
        assert self.plan.choice is not None
        rates = {score.rate for score in self.plan.choice.scores}
        return sorted(t.run_id for t in self.trials() if t.point.lr in rates and t.run_id)


def cells_of(points: Sequence[Point]) -> list[Point]:
    """The points without rate and seed, each once.

    Raises:
        ConfigError: they cannot be tuned.

    """
    cells = list(dict.fromkeys(replace(point, lr=1.0, seed=0) for point in points))
    longest = LONGEST_NAME - len(TRIALS)
    for cell in cells:
        if cell.data.validation == 0:
            raise ConfigError(
                "data.validation=0: a tuned sweep chooses rates by validation. Hold images out, as "
                "with data.validation=0.2."
            )
        if not cell.data.test:
            raise ConfigError("data.test=False: a tuned sweep ends with a test. Leave this out.")
        if len(cell.study) > longest:
            raise ConfigError(
                f"study={cell.study}: its trials go to a study with a longer name. Use at most "
                f"{longest} characters."
            )
    return cells


def read_cells(
    store: Store, cells: Sequence[Point], rules: Tuning, known: Mapping[Point, Done]
) -> list[TunedCell]:
    """The state of each cell, from the finished runs of the store and the results in `known`."""
    finished = _Finished(store, cells, known)
    return [_read_cell(finished, cell, rules) for cell in cells]


class _Finished:
    """The finished runs of tuned studies."""

    def __init__(self, store: Store, cells: Sequence[Point], known: Mapping[Point, Done]) -> None:
        self.known = known
        studies = {name for cell in cells for name in (cell.study, f"{cell.study}{TRIALS}")}
        self.by_signature = {
            run.signature.whole: run
            for study in sorted(studies)
            for run in _runs_of(store, study)
            if run.is_point and run.is_finished
        }

    def of(self, points: Sequence[Point]) -> Iterator[Done]:
        """The results of those of these points that are finished."""
        for point in points:
            run = self.by_signature.get(GridPoint.of(point).signature.whole)
            if run is not None:
                yield from_earlier_run(point, run)
            elif point in self.known:  # it waits in the offline queue
                yield self.known[point]


def _runs_of(store: Store, study: str) -> list[RunSummary]:
    try:
        experiment = store.find_experiment(study)
    except MissingStudyError:
        return []
    return tracking.read_summaries(store, experiment.experiment_id)


def _read_cell(finished: _Finished, cell: Point, rules: Tuning) -> TunedCell:
    done: dict[Point, Done] = {}
    metric = cell.train.judged_by
    chance = 1 / describe_data(cell.data).classes if metric is ACCURACY else metric.chance
    while True:
        trials = {
            (point.lr, point.seed): None
            if each.outcome is not Outcome.LEARNED
            else each.validation_final
            for point, each in done.items()
        }
        state = TunedCell(cell, rules, done, plan_cell(rules, trials, chance, metric))
        found = {result.point: result for result in finished.of(state.missing())}
        done |= found
        if state.plan.choice is not None or not found:
            return state


def _trial(cell: Point, rate: float, seed: int) -> Point:
    study = f"{cell.study}{TRIALS}"
    return replace(cell, study=study, lr=rate, seed=seed, data=replace(cell.data, test=False))
