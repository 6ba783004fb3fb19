"""The cells of a tuned study: what they have, what they need next, and what they have chosen.

A cell is a point without rate and seed. Its trials are runs of the study `NAME.tuning`, which are
never tested. The runs that judge its choice are those of the study `NAME`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from actscope import tracking
from actscope.analysis.tuning import (
    TRIALS,
    CellPlan,
    SearchPlan,
    Settings,
    Trial,
    judged_rates,
    plan_cell,
)
from actscope.config import Point
from actscope.engine.images import describe_data
from actscope.engine.result import Outcome
from actscope.errors import ConfigError, MissingStudyError
from actscope.parsing import with_settings
from actscope.setting_types import LONGEST_NAME
from actscope.sweep.results import Done, from_earlier_run
from actscope.tracking import GridPoint, RunSummary, Store
from actscope.tuning_settings import LR, Range, Search, Tuning, Value


@dataclass(frozen=True)
class TunedCell:
    """A cell, its finished runs, and what it needs next."""

    cell: Point
    rules: Tuning | Search
    done: Mapping[Point, Done]
    plan: CellPlan

    @property
    def stage(self) -> str:
        """`coarse`, `fine`, `search`, `evaluation` or `done`."""
        if self.plan.choice is None:
            return self.plan.stage
        return "evaluation" if self.missing() else "done"

    def wanted(self) -> list[Point]:
        """The points of the present stage."""
        if self.plan.choice is None:
            return [trial_point(self.cell, *trial) for trial in self.plan.missing]
        rate = self.plan.choice.rate
        if rate is None or self.plan.choice.flag:
            return []  # it gets no verdict
        chosen = with_settings(self.cell, {LR: rate, **dict(self.plan.choice.settings)})
        judged = product(judged_rates(self.rules).values(), self.rules.evaluation_seeds)
        return [replace(chosen, lr=rate * share, seed=seed) for share, seed in judged]

    def missing(self) -> list[Point]:
        """The points to train next."""
        return [point for point in self.wanted() if point not in self.done]

    def trials(self) -> list[Done]:
        return [done for point, done in self.done.items() if point.study != self.cell.study]

    def evaluations(self) -> list[Done]:
        return [done for point, done in self.done.items() if point.study == self.cell.study]

    def chosen_by(self) -> list[str]:
        """Ids of the runs that chose the rate, without those that wait in the offline queue.

        Of a search they are the runs of its best trial.
        """
        choice = self.plan.choice
        assert choice is not None
        rates = [score.rate for score in choice.scores]
        tried: Sequence[float | Settings] = [choice.settings] if choice.settings else rates
        points = (trial_point(self.cell, each, seed) for each in tried for seed in self.rules.seeds)
        runs = (self.done.get(point) for point in points)
        return sorted(run.run_id for run in runs if run is not None and run.run_id)

    def trial_tags(self) -> dict[str | None, str]:
        """Of each run of a search, by id: the search, and the number and state of its trial."""
        if not isinstance(self.plan, SearchPlan):
            return {}
        tags = {}
        for trial in reversed(self.plan.trials):  # of equal trials the first counts
            tag = json.dumps(
                {"search": self.plan.search, "number": trial.number, "state": trial.state}
            )
            for seed, _ in zip(self.rules.seeds, trial.values, strict=False):
                tags[self.done[trial_point(self.cell, trial.settings, seed)].run_id] = tag
        return tags


def cells_of(points: Sequence[Point], rules: Tuning | Search) -> list[Point]:
    """The points without what is tuned and without seed, each once.

    Raises:
        ConfigError: they cannot be tuned.

    """
    cells = list(dict.fromkeys(_cell_of(point, rules) for point in points))
    longest = LONGEST_NAME - len(TRIALS)
    for cell in cells:
        if cell.data.validation == 0:
            raise ConfigError(
                "data.validation=0: a tuned sweep chooses rates by validation. Hold examples out, "
                "as with data.validation=0.2."
            )
        if not cell.data.test:
            raise ConfigError("data.test=False: a tuned sweep ends with a test. Leave this out.")
        if len(cell.study) > longest:
            raise ConfigError(
                f"study={cell.study}: its trials go to a study with a longer name. Use at most "
                f"{longest} characters."
            )
    return cells


def _cell_of(point: Point, rules: Tuning | Search) -> Point:
    """The point with one value of all that is tuned. Raises ConfigError: it lacks a setting."""
    lowest: dict[str, Value] = {LR: 1.0}
    if isinstance(rules, Search):
        ends = {
            name: (values.low, values.high) if isinstance(values, Range) else values
            for name, values in rules.space.items()
        }
        lowest = {name: values[0] for name, values in ends.items()}
        try:
            for name, value in ((name, value) for name, own in ends.items() for value in own):
                with_settings(point, {**lowest, name: value})
        except ConfigError as error:
            raise ConfigError(f"tuning.space.{error}") from None
    return replace(with_settings(point, lowest), seed=0)


def read_cells(
    store: Store, cells: Sequence[Point], rules: Tuning | Search, known: Mapping[Point, Done]
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

    def of(self, point: Point) -> Done | None:
        """The result of a point, if it is finished."""
        run = self.by_signature.get(GridPoint.of(point).signature.whole)
        if run is not None:
            return from_earlier_run(point, run)
        return self.known.get(point)  # it waits in the offline queue


class _CellTrials:
    """The finished trials of a cell, each read when the protocol asks for it."""

    def __init__(self, finished: _Finished, cell: Point) -> None:
        self.finished, self.cell = finished, cell
        self.done: dict[Point, Done] = {}
        self.values: dict[object, Trial] = {}

    def __contains__(self, key: object) -> bool:
        if key in self.values:
            return True
        point = trial_point(self.cell, *key)  # type: ignore[misc]
        found = self.finished.of(point)
        if found is None:
            return False
        self.done[point] = found
        has_learned = found.outcome is Outcome.LEARNED
        self.values[key] = found.validation_final if has_learned else None
        return True

    def __getitem__(self, key: tuple[float | Settings, int]) -> Trial:
        return self.values[key]


def _runs_of(store: Store, study: str) -> list[RunSummary]:
    try:
        experiment = store.find_experiment(study)
    except MissingStudyError:
        return []
    return tracking.read_summaries(store, experiment.experiment_id)


def _read_cell(finished: _Finished, cell: Point, rules: Tuning | Search) -> TunedCell:
    trials, metric = _CellTrials(finished, cell), cell.train.judged_by
    chance = metric.chance_of(describe_data(cell.data).classes)
    if isinstance(rules, Search):
        from actscope.analysis.search import plan_search  # Optuna is slow to import

        plan: CellPlan = plan_search(rules, trials, chance, metric)
    else:
        plan = plan_cell(rules, trials, chance, metric)
    state = TunedCell(cell, rules, trials.done, plan)
    judged = {} if plan.choice is None else {p: finished.of(p) for p in state.wanted()}
    trials.done.update((point, done) for point, done in judged.items() if done is not None)
    return state


def trial_point(cell: Point, tried: float | Settings, seed: int) -> Point:
    """The point of a cell's trial at a rate, or with these settings."""
    values = {LR: tried} if isinstance(tried, float) else dict(tried)
    study, data = f"{cell.study}{TRIALS}", replace(cell.data, test=False)
    return replace(with_settings(cell, values), study=study, seed=seed, data=data)
