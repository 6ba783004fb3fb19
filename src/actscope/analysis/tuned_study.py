"""A study of tuned rates, and what tells it from others: the rules that its sweeps have."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from actscope import tracking
from actscope.analysis import frames, tuned_tables, tuning_budget
from actscope.analysis.judged_study import JudgedStudy
from actscope.analysis.searched_study import SearchedStudy
from actscope.analysis.tuning import RULES_TAG, TRIALS
from actscope.errors import ConfigError, ReportError
from actscope.parsing import parse_rules
from actscope.tracking import Store
from actscope.tuning_settings import Search, Tuning


@dataclass(frozen=True, eq=False)
class TunedStudy(JudgedStudy):
    """The tables of a study whose rates were chosen on a grid."""

    rules: tuple[Tuning, ...]

    @property
    def first_seed(self) -> int:
        """The seed that tries the coarse grid."""
        return self.rules[0].seeds[0]

    @cached_property
    def choices(self) -> pd.DataFrame:
        """One row a cell, of tuned_tables.choices."""
        return tuned_tables.choices(
            self.trial_runs, self.evaluations, self.rules, self.factors, self.metric
        )

    @cached_property
    def budget(self) -> pd.DataFrame:
        """One row a cell and number of trials, of tuning_budget.budget."""
        return tuning_budget.budget(self.trial_runs, self.first_seed, self.factors, self.metric)

    @cached_property
    def shared(self) -> pd.DataFrame:
        """One row a cell and rate that all tried, of tuning_budget.shared."""
        return tuning_budget.shared(
            self.trial_runs, self.choices, self.first_seed, self.factors, self.metric
        )


def is_tuned(store: Store, study: str) -> bool:
    """Whether the rates of a study were tuned. Raises StoreError: there is no such study."""
    store.find_experiment(study)
    with tracking.store_errors(store.location):
        trials = store.experiment_named(f"{study}{TRIALS}")
        return trials is not None and bool(store.tag_values(trials.experiment_id, RULES_TAG))


def read_tuned(store: Store, study: str) -> TunedStudy | SearchedStudy:
    """Read the trials, the rules and the runs that judge, of a tuned study.

    If some of its sweeps had a grid of rates and some a search, the newest decides.

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
            f"{tuning.metric.words}. Tune another study instead."
        )
    rules = tuple(_read_rules(store, experiment.experiment_id))
    if not rules:
        raise ReportError(
            f"study={study}: no sweep of {trials} has the tag {RULES_TAG}, so its rules are "
            "unknown. Repeat `actscope tune` with the same settings; it trains nothing again."
        )
    searches = tuple(each for each in rules if isinstance(each, Search))
    if isinstance(rules[0], Search):
        return SearchedStudy(judges, tuning, searches)
    grids = tuple(each for each in rules if isinstance(each, Tuning))
    return TunedStudy(judges, tuning, grids)


def _read_rules(store: Store, experiment_id: str) -> Iterator[Tuning | Search]:
    """The different rules of an experiment's sweeps, newest first, without unreadable ones."""
    seen = set()
    for sweep in reversed(tracking.read_summaries(store, experiment_id)):
        text = sweep.tags.get(RULES_TAG.removeprefix("actscope."))
        if sweep.is_sweep and text is not None and text not in seen:
            seen.add(text)
            try:
                yield parse_rules(json.loads(text))
            except (ValueError, ConfigError):  # someone has edited the tag
                continue
