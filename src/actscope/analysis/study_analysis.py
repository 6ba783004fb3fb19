"""All tables and estimates of a study that a report or a notebook shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import pandas as pd

from actscope.analysis import edge, histories, stats, units
from actscope.analysis.axis import Axis
from actscope.analysis.frames import StudyRuns, averaged
from actscope.analysis.logged_settings import activation_of
from actscope.analysis.ranking import Lead, find_lead, find_wins
from actscope.analysis.run_tables import read_correct, read_each_run
from actscope.analysis.seeds_and_examples import (
    Correct,
    cell_estimate,
    columns_over_both,
    paired_difference,
)
from actscope.analysis.units import RunUnits, Units, probed
from actscope.config import Activation
from actscope.metric import Metric
from actscope.tracking import Store

MANY = 8  # values of an axis: with one panel each, a figure could not be read


class RunAnalysis(NamedTuple):
    """One run: its metric by epoch, its units, and whether it is right about each test example.

    `units`: None if it diverged or has no probes; `correct`: None for a run of an older version.
    """

    by_epoch: pd.DataFrame
    units: RunUnits | None
    correct: Correct | None


@dataclass(frozen=True, eq=False)
class StudyAnalysis:
    """The tables of a study, each computed at first use.

    `get_by_epoch` and `get_units` give what is made from the files of the runs. `known_fates`: the
    fates of runs whose files are read already, by run id. `get_correct`: whether each run that did
    not diverge is right about each test example, by id; None for a run of an older version.
    """

    runs: StudyRuns
    get_by_epoch: Callable[[StudyRuns], pd.DataFrame]
    get_units: Callable[[StudyRuns], Units]
    known_fates: Mapping[str, pd.DataFrame]
    get_correct: Callable[[StudyRuns], Mapping[str, Correct | None]]

    @cached_property
    def correct(self) -> Mapping[str, Correct]:
        """Whether runs are right about each test example, by run id; only those that recorded it.

        Runs that were not tested, or whose targets are numbers, are not among them.
        """
        found = self.get_correct(self.runs).items()
        return {key: own for key, own in found if own is not None and len(own)}

    @property
    def metric(self) -> Metric:
        """What the runs are judged by."""
        return self.runs.metric

    @property
    def axis(self) -> Axis:
        """What the cells differ in besides the activation."""
        return self.runs.axis

    @cached_property
    def runs_by_epoch(self) -> pd.DataFrame:
        """The metric after each epoch of each averaged run, of histories.gather_by_epoch."""
        return self.get_by_epoch(self.runs)

    @cached_property
    def accuracy_by_epoch(self) -> pd.DataFrame:
        """One row a cell and epoch: the metric, whatever it is, over the runs that learned.

        Of stats.summarise_by_epoch.
        """
        return stats.summarise_by_epoch(self._by_epoch_of("learned"), self.axis)

    @cached_property
    def failed_by_epoch(self) -> pd.DataFrame:
        """`runs_by_epoch` of the runs that failed."""
        return self._by_epoch_of("failed")

    def _by_epoch_of(self, outcome: str) -> pd.DataFrame:
        return self.runs_by_epoch[self.runs_by_epoch["outcome"] == outcome]

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell: stats.summarise, the interval over seeds and examples, and `wins`.

        `wins`: the share of resamples in which the cell has the highest test accuracy of its
        variant, NaN where it is not ranked.
        """
        cells, used = self.runs.cells, self.runs.used
        own = [runs for _, runs in used.groupby(self.axis.cell, sort=False)]
        both = columns_over_both([cell_estimate(runs, self.correct) for runs in own])
        variants = cells.groupby("variant", sort=False)
        wins = [find_wins(used, rows, self.correct, self.axis) for _, rows in variants]
        return pd.concat([cells, both], axis=1).assign(wins=pd.concat(wins).reindex(cells.index))

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """One row a pair of activations: stats.compare, and the interval over both."""
        table = stats.compare(self.runs.used, self.metric, self.axis)
        runs = dict(iter(self.runs.used.groupby(self.axis.cell, sort=False)))
        keys = table[["variant", "first", "second", self.axis.column]].itertuples(index=False)
        found = [
            paired_difference(runs[variant, first, at], runs[variant, second, at], self.correct)
            for variant, first, second, at in keys
        ]
        return pd.concat([table, columns_over_both(found)], axis=1)

    @cached_property
    def leads(self) -> dict[str, Lead]:
        """For each variant the best cell, and its lead over the next activation."""
        cells = self.cells.groupby("variant", sort=False)
        return {
            str(variant): find_lead(self.runs.used, own, self.correct, self.metric, self.axis)
            for variant, own in cells
        }

    @property
    def is_fine(self) -> bool:
        """Whether the study sweeps enough rates to show its edge of trainability."""
        return self.axis.is_rate and self.has_many

    @property
    def has_many(self) -> bool:
        """Whether the axis has too many values for a panel each."""
        return self.runs.used[self.axis.column].nunique() >= MANY

    @cached_property
    def outcome_shares(self) -> pd.DataFrame:
        """One row a cell, of edge.outcome_shares."""
        return edge.outcome_shares(self.cells)

    @cached_property
    def edges(self) -> pd.DataFrame:
        """One row a variant and activation, of edge.edges."""
        return edge.edges(self.outcome_shares)

    @cached_property
    def units(self) -> Units:
        """The units of the study's runs and their statistics."""
        return self.get_units(self.runs)

    @cached_property
    def activations(self) -> dict[str, Activation]:
        """Each different activation of the used runs, by a title that names its arguments."""
        found = {}
        for run_id in self.runs.used["run_id"]:
            activation = activation_of(self.runs.params.loc[run_id].to_dict())
            arguments = "".join(f"\n{key} = {value}" for key, value in activation.arguments)
            behind = "\nbehind batch norm" if activation.batch_norm else ""
            found[f"{activation.name}{behind}{arguments}"] = activation
        return found

    def runs_drawn(self, seed: int) -> pd.DataFrame:
        """The used runs of a seed whose trajectories are drawn: at most three rates if many."""
        used = self.runs.used[self.runs.used["seed"] == seed]
        return used.merge(edge.rates_drawn(self.edges)) if self.is_fine else used


def analyse_runs(runs: StudyRuns, by_run: Mapping[str, RunAnalysis]) -> StudyAnalysis:
    """The analysis of a study from a RunAnalysis of each used run, by run id."""

    def by_epoch(runs: StudyRuns) -> pd.DataFrame:
        ids = averaged(runs)["run_id"]
        return histories.gather_by_epoch(runs, [by_run[run_id].by_epoch for run_id in ids])

    def gathered(runs: StudyRuns) -> Units:
        found = [by_run[run_id].units for run_id in probed(runs)["run_id"]]
        return units.gather_units(runs, [own for own in found if own is not None])

    fates = {run_id: own.units.fates for run_id, own in by_run.items() if own.units is not None}
    right = {key: own.correct for key, own in by_run.items()}
    return StudyAnalysis(runs, by_epoch, gathered, fates, lambda _: right)


def analyse_stored(store: Store, runs: StudyRuns) -> StudyAnalysis:
    """The analysis of a study whose files are read when a table needs them.

    Its tables raise UnreadableRunError where a file cannot be read.
    """
    by_epoch = partial(histories.read_by_epoch, store)
    correct = partial(_read_correct, store)
    return StudyAnalysis(runs, by_epoch, partial(units.read_units, store), {}, correct)


def _read_correct(store: Store, runs: StudyRuns) -> dict[str, Correct | None]:
    return read_each_run(store, runs.study, ["predictions"], read_correct, averaged(runs))
