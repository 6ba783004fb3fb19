"""A study with chosen settings of each cell: the tables that a grid and a search have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from actscope.analysis import tuned_tables
from actscope.analysis.factors import Factors, find_factors
from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import sort_key
from actscope.analysis.logged_settings import read_setting
from actscope.analysis.tuning import judged_rates
from actscope.metric import Metric
from actscope.tracking import METRICS
from actscope.tuning_settings import LR, Search, Tuning

DATA_TEST = "data.test"  # False of all trials


@dataclass(frozen=True, eq=False)
class JudgedStudy:
    """The tables of a tuned study that judge its choices, each computed at first use.

    `tuning`: the runs of the study with its trials; `judges`: those of the study itself. `rules`:
    those of its tuned sweeps, newest first.
    """

    judges: StudyRuns
    tuning: StudyRuns
    rules: Sequence[Tuning | Search]

    @property
    def name(self) -> str:
        return self.judges.study

    @property
    def metric(self) -> Metric:
        """What chooses and judges."""
        return self.judges.metric

    @property
    def tuned(self) -> list[str]:
        """The names of the settings that are chosen, the rate first."""
        return [LR]

    @property
    def factors(self) -> Factors:
        """The numeric settings that vary between cells."""
        return self._factors[0]

    @cached_property
    def _factors(self) -> tuple[Factors, pd.DataFrame]:
        params = [own.params.loc[own.used["run_id"]] for own in (self.tuning, self.judges)]
        return find_factors(
            pd.concat(params).drop(columns=[DATA_TEST, *self.tuned], errors="ignore")
        )

    @cached_property
    def trial_runs(self) -> pd.DataFrame:
        """One row a trial's run.

        Columns: Factors.cell, `tuned`, `seed`, `outcome`, `validation`, `run_id`, and `chance`, the
        metric of guessing, which a lost run counts as; NaN where it is unknown.
        """
        name = f"{METRICS}validation/{self.metric.name}_final"
        found = self.tuning.found.set_index("run_id").reindex(columns=[name, "classes"])
        used = self.tuning.used
        values = found.loc[used["run_id"], name].astype(float).to_numpy()
        trials = self._tidy(self.tuning, used.assign(validation=values), "validation")
        classes = found.loc[trials["run_id"], "classes"].astype(float).tolist()
        return trials.assign(chance=[self.metric.chance_of(number) for number in classes])

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row a run that judges a choice, with `final`: its metric on the test, NaN if lost."""
        return self._tidy(self.judges, self.judges.used, "final")

    def _tidy(self, runs: StudyRuns, used: pd.DataFrame, measure: str) -> pd.DataFrame:
        named = used.drop(columns="variant").join(self._factors[1], on="run_id")
        named[measure] = named[measure].where(named["outcome"] == "learned")
        for name in self.tuned[1:]:
            texts = runs.params.loc[named["run_id"], name]
            named[name] = [read_setting(name, text, of_own_network=True).value for text in texts]
        columns = [*self.factors.cell, *self.tuned, "seed"]
        tidy = named[[*columns, "outcome", measure, "run_id"]]
        return tidy.sort_values(columns, key=sort_key, ignore_index=True)

    @cached_property
    def choices(self) -> pd.DataFrame:
        """One row a cell: at least the columns of tuned_tables.choices without its neighbours."""
        raise NotImplementedError

    @cached_property
    def judged(self) -> pd.DataFrame:
        """One row a cell and rate, of tuned_tables.judged."""
        rates = judged_rates(self.rules[0])
        return tuned_tables.judged(self.evaluations, self.choices, self.factors, rates)

    @property
    def bases(self) -> list[str]:
        """Those of tuned_tables.BASES that the study has; leads are over the better one."""
        return [name for name in tuned_tables.BASES if name in set(self.choices["activation"])]

    @property
    def rival(self) -> str:
        """What leads are over, in words; '' if the study has none of tuned_tables.BASES."""
        names = " and ".join(self.bases)
        return f"the better of {names}" if len(self.bases) > 1 else names

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
