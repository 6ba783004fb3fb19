"""A tuned study: the trials that chose each cell's rate, and the runs that judge the choice."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from actscope import tracking
from actscope.analysis import frames, tuned_tables, tuning_budget
from actscope.analysis.factors import Factors, find_factors
from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import sort_key
from actscope.analysis.tuning import RULES_TAG, TRIALS
from actscope.config import Tuning
from actscope.errors import ConfigError, ReportError
from actscope.metric import Metric
from actscope.parsing import parse
from actscope.tracking import METRICS, Store

DATA_TEST = "data.test"  # False of all trials


@dataclass(frozen=True, eq=False)
class TunedStudy:
    """The tables of a tuned study, each computed at first use.

    `tuning`: the runs of the study with its trials; `judges`: those of the study itself. `rules`:
    those of its tuned sweeps, newest first.
    """

    judges: StudyRuns
    tuning: StudyRuns
    rules: tuple[Tuning, ...]

    @property
    def name(self) -> str:
        return self.judges.study

    @property
    def metric(self) -> Metric:
        """What chooses and judges."""
        return self.judges.metric

    @property
    def first_seed(self) -> int:
        """The seed that tries the coarse grid."""
        return self.rules[0].seeds[0]

    @property
    def factors(self) -> Factors:
        """The numeric settings that vary."""
        return self._factors[0]

    @cached_property
    def _factors(self) -> tuple[Factors, pd.DataFrame]:
        params = [own.params.loc[own.used["run_id"]] for own in (self.tuning, self.judges)]
        return find_factors(pd.concat(params).drop(columns=DATA_TEST, errors="ignore"))

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial: Factors.cell, `lr`, `seed`, `outcome`, `validation` and `run_id`."""
        name = f"{METRICS}validation/{self.metric.name}_final"
        found = self.tuning.found.set_index("run_id").reindex(columns=[name])[name]
        used = self.tuning.used
        values = found[used["run_id"]].astype(float).to_numpy()
        return self._tidy(used.assign(validation=values), "validation")

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row a run that judges a choice, with `final`: its metric on the test, NaN if lost."""
        return self._tidy(self.judges.used, "final")

    def _tidy(self, used: pd.DataFrame, measure: str) -> pd.DataFrame:
        named = used.drop(columns="variant").join(self._factors[1], on="run_id")
        named[measure] = named[measure].where(named["outcome"] == "learned")
        columns = [*self.factors.cell, "lr", "seed"]
        tidy = named[[*columns, "outcome", measure, "run_id"]]
        return tidy.sort_values(columns, key=sort_key, ignore_index=True)

    @cached_property
    def choices(self) -> pd.DataFrame:
        """One row a cell, of tuned_tables.choices."""
        return tuned_tables.choices(
            self.trials, self.evaluations, self.rules, self.factors, self.metric
        )

    @cached_property
    def judged(self) -> pd.DataFrame:
        """One row a cell and rate, of tuned_tables.judged."""
        return tuned_tables.judged(self.evaluations, self.choices, self.factors)

    @cached_property
    def leads(self) -> pd.DataFrame:
        """One row a cell beside ReLU's and LeakyReLU's, of tuned_tables.leads."""
        return tuned_tables.leads(self._leads_by_seed, self.choices, self.factors, self.metric)

    @cached_property
    def slopes(self) -> pd.DataFrame:
        """One row an activation and panel, of tuned_tables.slopes."""
        return tuned_tables.slopes(self._leads_by_seed, self.leads, self.factors)

    @cached_property
    def _leads_by_seed(self) -> pd.DataFrame:
        return tuned_tables.leads_by_seed(self.evaluations, self.choices, self.factors, self.metric)

    @cached_property
    def budget(self) -> pd.DataFrame:
        """One row a cell and number of trials, of tuning_budget.budget."""
        return tuning_budget.budget(self.trials, self.first_seed, self.factors, self.metric)

    @cached_property
    def shared(self) -> pd.DataFrame:
        """One row a cell and rate that all tried, of tuning_budget.shared."""
        return tuning_budget.shared(
            self.trials, self.choices, self.first_seed, self.factors, self.metric
        )


def is_tuned(store: Store, study: str) -> bool:
    """Whether the rates of a study were tuned. Raises StoreError: there is no such study."""
    store.find_experiment(study)
    with tracking.store_errors(store.location):
        trials = store.experiment_named(f"{study}{TRIALS}")
        return trials is not None and bool(store.tag_values(trials.experiment_id, RULES_TAG))


def read_tuned(store: Store, study: str) -> TunedStudy:
    """Read the trials, the rules and the runs that judge, of a tuned study.

    Raises:
        StoreError: the store cannot be read, or has no trials of this study.
        NoRunsError: no run of one of the two studies can be used.
        ReportError: no sweep of the trials has readable rules.

    """
    judges, trials = frames.read_study(store, study), f"{study}{TRIALS}"
    tuning = frames.read_study(store, trials)
    experiment = store.find_experiment(trials)
    if judges.metric is not tuning.metric:
        raise ReportError(
            f"study={study}: it is judged by {judges.metric.words}, and its trials by "
            f"{tuning.metric.words}. Tune it anew as another study."
        )
    rules = tuple(_read_rules(store, experiment.experiment_id))
    if not rules:
        raise ReportError(
            f"study={study}: no sweep of {trials} has the tag {RULES_TAG}, so its rules are "
            "unknown. Repeat `actscope tune` with the same settings; it trains nothing again."
        )
    return TunedStudy(judges, tuning, rules)


def _read_rules(store: Store, experiment_id: str) -> Iterator[Tuning]:
    """The different rules of an experiment's sweeps, newest first, without unreadable ones."""
    seen = set()
    for sweep in reversed(tracking.read_summaries(store, experiment_id)):
        text = sweep.tags.get(RULES_TAG.removeprefix("actscope."))
        if sweep.is_sweep and text is not None and text not in seen:
            seen.add(text)
            try:
                yield parse(Tuning, json.loads(text), "tuning")
            except (ValueError, ConfigError):  # someone has edited the tag
                continue
