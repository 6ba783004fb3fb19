"""Searches the settings of a cell with Optuna, by its metric on validation; see docs/tuning.md.

The same settings and results give the same trials: the sampler's seed is fixed, and the search is
repeated from its first trial each time. So the finished runs are all of its state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from actscope.analysis.tuning import (
    SearchPlan,
    SearchTrial,
    Settings,
    State,
    Trials,
    choose,
    search_id,
    value_of_lost,
)
from actscope.metric import ACCURACY, Metric
from actscope.tuning_settings import Choices, Range, Search, Value

DIGITS = 3  # of a value that is no whole number; more would change no result that can be seen


def plan_search(
    rules: Search, trials: Trials[Settings], chance: float, metric: Metric = ACCURACY
) -> SearchPlan:
    """The runs that a search needs next, or its choice. `chance`: the metric of guessing, or NaN.

    Batches of trials are asked for until there are `rules.trials`. The best trial is the one with
    the best mean over all seeds that lost no run.
    """
    search, own_id = _Search(rules, chance, metric), search_id(rules)
    ended: list[SearchTrial] = []
    while len(ended) < rules.trials:
        size = min(rules.batch, rules.trials - len(ended))
        batch = [search.ask(len(ended) + place) for place in range(1, size + 1)]
        missing = tuple(dict.fromkeys(key for each in batch for key in each.missing(trials)))
        if missing:
            return SearchPlan("search", missing, trials=tuple(ended), search=own_id)
        for each in batch:
            ended.append(each.end(trials, ended))
    return SearchPlan("chosen", (), choose(ended, metric), tuple(ended), own_id)


class _Search:
    """Optuna's study of one cell: a TPE sampler with Optuna's defaults, and the median pruner."""

    def __init__(self, rules: Search, chance: float, metric: Metric) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.rules, self.chance, self.metric = rules, chance, metric
        self.space = {name: _distribution(values) for name, values in rules.space.items()}
        self.study = optuna.create_study(
            direction="minimize" if metric.is_smallest_best else "maximize",
            sampler=optuna.samplers.TPESampler(seed=rules.sampler_seed),
            pruner=optuna.pruners.MedianPruner(),
        )

    def ask(self, number: int) -> "_Asked":
        asked = self.study.ask(self.space)
        settings = tuple(
            (name, _rounded(asked.params[name], values))
            for name, values in self.rules.space.items()
        )
        return _Asked(self, asked, number, settings)

    def of_lost(self, ended: Sequence[SearchTrial]) -> float:
        return value_of_lost(ended, self.chance, self.metric)


@dataclass
class _Asked:
    """A trial that Optuna has asked for. `is_promising`: its first seed was not worse than most."""

    search: _Search
    asked: optuna.Trial
    number: int
    settings: Settings
    is_promising: bool = False

    def missing(self, trials: Trials[Settings]) -> list[tuple[Settings, int]]:
        """Its runs to train next: that of the first seed, then all others unless it has ended.

        To be called once, before `end`. Optuna takes an unknown chance, NaN, for the worst value.
        """
        first, *others = self._keys
        if first not in trials:
            return [first]
        value = trials[first]
        self.asked.report(self.search.chance if value is None else value, step=0)
        self.is_promising = value is not None and not self.asked.should_prune()
        return [key for key in others if self.is_promising and key not in trials]

    def end(self, trials: Trials[Settings], before: Sequence[SearchTrial]) -> SearchTrial:
        """Tell Optuna its result, which nothing misses any more. `before`: the earlier trials.

        To Optuna a trial whose first run was lost is pruned at chance: the sampler avoids what is
        near it, and no median has it.
        """
        study, keys = self.search.study, self._keys
        values = tuple(trials[key] for key in (keys if self.is_promising else keys[:1]))
        state: State = "failed" if None in values else "finished"
        ended = SearchTrial(self.number, self.settings, state, values)
        if self.is_promising:
            study.tell(self.asked, ended.score(self.search.of_lost([*before, ended])).mean)
            return ended
        study.tell(self.asked, state=TrialState.PRUNED)
        return ended if state == "failed" else replace(ended, state="pruned")

    @property
    def _keys(self) -> list[tuple[Settings, int]]:
        return [(self.settings, seed) for seed in self.search.rules.seeds]


def _distribution(values: Range | Choices) -> BaseDistribution:
    if not isinstance(values, Range):
        return CategoricalDistribution(values)
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


def _rounded(value: Value, values: Range | Choices) -> Value:
    """A value of a range with few digits, so that equal ones are equal on each machine."""
    if not isinstance(values, Range) or not isinstance(value, float):
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), values.low), values.high)
