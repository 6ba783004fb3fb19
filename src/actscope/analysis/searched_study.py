"""A searched study: its trials, the best one of each cell, and the runs that judge it."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.judged_study import JudgedStudy
from actscope.analysis.stats import grouped
from actscope.analysis.tuned_tables import UNFINISHED
from actscope.analysis.tuning import SearchTrial, choose, search_id, value_of_lost
from actscope.tuning_settings import LR, Search

TRIAL = "trial"  # the column of TRIAL_TAG


@dataclass(frozen=True, eq=False)
class SearchedStudy(JudgedStudy):
    """The tables of a study whose settings were searched; those of the newest search count."""

    rules: tuple[Search, ...]

    @property
    def search(self) -> Search:
        return self.rules[0]

    @property
    def tuned(self) -> list[str]:
        return [LR, *(name for name in self.search.space if name != LR)]

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial that has ended.

        Columns: Factors.cell; `number`, from 1 on; `tuned`; `state`, `finished`, `pruned` or
        `failed`; over the `n` seeds that were trained `validation`, its mean with lost runs as
        value_of_lost says, and the number of `lost` runs; `best`: the best mean of a finished
        trial so far.
        """
        columns = [*self.factors.cell, "number", *self.tuned, "state", "n", "validation", "lost"]
        rows = [
            cell | self._row(ended[:number], chance)
            for cell, ended, chance in self._ended
            for number in range(1, len(ended) + 1)
        ]
        table = pd.DataFrame(rows, columns=columns)
        finished = table["validation"].where(table["state"] == "finished")
        keys = [table[name] for name in self.factors.cell]
        by_cell = finished.groupby(keys, sort=False)
        best = by_cell.cummin() if self.metric.is_smallest_best else by_cell.cummax()
        return table.assign(best=best.groupby(keys).ffill())

    def _row(self, ended: list[SearchTrial], chance: float) -> dict[str, Any]:
        """The last of these trials."""
        trial = ended[-1]
        score = trial.score(value_of_lost(ended, chance, self.metric))
        return {
            "number": trial.number,
            **dict(trial.settings),
            "state": trial.state,
            "n": len(trial.values),
            "validation": score.mean,
            "lost": score.lost,
        }

    @cached_property
    def _ended(self) -> list[tuple[dict[str, Any], list[SearchTrial], float]]:
        """The columns that name each cell, its trials that have ended by number, and its chance."""
        tags = self.tuning.found.set_index("run_id")[TRIAL].map(self._read_tag)
        runs = self.trial_runs.assign(tag=tags[self.trial_runs["run_id"]].to_numpy())
        ended = []
        for cell, own in grouped(runs, self.factors.cell):
            known = own[own["tag"].notna()]
            groups = known.groupby(known["tag"].map(lambda tag: int(tag["number"])))
            trials = [self._trial(group) for _, group in groups]
            ended.append((cell, trials, float(own["chance"].iloc[0])))
        return ended

    def _read_tag(self, text: object) -> Mapping[str, Any] | None:
        """The tag of a run; None unless it is of the newest search."""
        with suppress(ValueError):
            tag = json.loads(text) if isinstance(text, str) else None
            if isinstance(tag, dict) and tag.get("search") == search_id(self.search):
                return tag
        return None

    def _trial(self, runs: pd.DataFrame) -> SearchTrial:
        first = runs.iloc[0]
        settings = tuple((name, first[name]) for name in self.tuned)
        by_seed = dict(zip(runs["seed"], runs["validation"], strict=True))
        found = [by_seed[seed] for seed in self.search.seeds if seed in by_seed]
        values = tuple(None if pd.isna(value) else float(value) for value in found)
        tag = first["tag"]
        return SearchTrial(int(tag["number"]), settings, tag["state"], values)

    @cached_property
    def choices(self) -> pd.DataFrame:
        """One row a cell: its best trial.

        Columns: Factors.cell; `number` of the trial and its settings, NaN if none is chosen; over
        its `n` seeds `validation`, the mean, with its standard error `error`; `trials` that have
        ended, and of these `finished`, `pruned` and `failed`; `flag`, why the cell is not judged
        and gets no verdict, or ''; `wanted`, the seeds that judge it.
        """
        return pd.DataFrame([cell | self._choice(ended) for cell, ended, _ in self._ended])

    def _choice(self, ended: list[SearchTrial]) -> dict[str, Any]:
        choice = choose(ended, self.metric)
        is_chosen = choice.rate is not None and len(ended) >= self.search.trials
        best = next((t for t in ended if is_chosen and t.settings == choice.settings), None)
        score = None if best is None else best.score()
        states = [trial.state for trial in ended]
        return {
            "number": np.nan if best is None else best.number,
            **dict.fromkeys(self.tuned, np.nan),
            **(dict(choice.settings) if best is not None else {}),
            "n": 0 if best is None else len(best.values),
            "validation": np.nan if score is None else score.mean,
            "error": np.nan if score is None else score.error,
            "trials": len(ended),
            **{state: states.count(state) for state in ("finished", "pruned", "failed")},
            "flag": choice.flag if len(ended) >= self.search.trials else UNFINISHED,
            "wanted": len(self.search.evaluation_seeds),
        }

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row a run that judges a best trial, with `final`: its metric, NaN if lost."""
        return super().evaluations.merge(self.choices[[*self.factors.cell, *self.tuned]])
