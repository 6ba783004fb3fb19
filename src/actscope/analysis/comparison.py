"""Compare two studies: their settings, and the results of each cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from actscope.analysis import labels, stats
from actscope.analysis.axis import RATE
from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import natural
from actscope.analysis.seeds_and_examples import (
    NOTHING_KNOWN,
    UNKNOWN,
    Correct,
    columns_over_both,
    paired_difference,
)
from actscope.analysis.stats import OUTCOMES, compare_pair, finals_of_learned, holm
from actscope.analysis.variants import variant_texts, varying_settings
from actscope.analysis.varying import UNSET, is_own
from actscope.errors import ReportError
from actscope.metric import Metric

SIDES = ("first", "second")
COUNTS = ["n", "runs", *OUTCOMES]
MEASURED = [*COUNTS, "outcomes", *(f"final_{name}" for name in ("mean", "sd", "low", "high"))]
NOT_COMPARED = {"study", "data.root"}
# Columns of StudyRuns.runs that affect a run's numbers, besides its settings.
ORIGINS = {"code": "training code (SHA-256)", "data": "data (SHA-256)"}

Runs = tuple[pd.DataFrame, pd.DataFrame]  # those of a cell, of both studies


@dataclass(frozen=True, eq=False)
class Pair:
    """Two studies whose variants have names made of the same settings: all that vary in either.

    `correct`: whether runs are right about each test example, by run id.
    """

    first: StudyRuns
    second: StudyRuns
    correct: Mapping[str, Correct] = field(default_factory=dict)

    @property
    def studies(self) -> tuple[StudyRuns, StudyRuns]:
        return self.first, self.second

    @property
    def names(self) -> tuple[str, str]:
        return self.first.study, self.second.study

    @property
    def metric(self) -> Metric:
        """What both studies are judged by."""
        return self.first.metric

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell of either study.

        Columns: `RATE.cell`; `first` and `second`, the studies' names; MEASURED of stats.summarise
        of each, as `first_n`, NA where the study has no such cell; those of stats.Comparison, on
        the final values of the seeds with which both learned (differences are first - second);
        `p_holm`, `p` with Holm's correction over all cells; `ahead`, the side that is better by
        that interval, or ''; of columns_over_both, those of the same difference, where both have
        the same test examples.
        """
        named = [
            study.cells[[*RATE.cell, *MEASURED]].rename(
                columns={name: f"{side}_{name}" for name in MEASURED}
            )
            for side, study in zip(SIDES, self.studies, strict=True)
        ]
        cells = named[0].merge(named[1], on=RATE.cell, how="outer")
        cells = cells.sort_values(RATE.cell, key=labels.sort_key, ignore_index=True)
        cells = cells.astype({f"{side}_{name}": "Int64" for side in SIDES for name in COUNTS})
        first, second = (dict(iter(study.used.groupby(RATE.cell))) for study in self.studies)
        keys, nothing = cells[RATE.cell].itertuples(index=False, name=None), self.first.used[:0]
        runs = [(first.get(key, nothing), second.get(key, nothing)) for key in keys]
        for place, name in enumerate(self.names):
            cells.insert(len(RATE.cell) + place, SIDES[place], name)
        found = _differences(runs, self.metric), _over_both(runs, self.correct)
        return pd.concat([cells, *found], axis=1)

    @cached_property
    def differing_settings(self) -> pd.DataFrame:
        """One row per setting whose values differ between the studies, as text.

        Columns: `setting`, `first`, `second`. An activation's own settings are compared if both
        studies have the activation.
        """
        rows = [
            {"setting": name, **dict(zip(SIDES, map(_listed, values), strict=True))}
            for name, values in _settings(self)
            if values[0] != values[1]
        ]
        return pd.DataFrame(rows, columns=["setting", *SIDES])

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row per study: `study`, `runs`, and the number of runs with each outcome."""
        rows = [
            {"study": study.study, "runs": len(study.used)}
            | {outcome: int((study.used["outcome"] == outcome).sum()) for outcome in OUTCOMES}
            for study in self.studies
        ]
        return pd.DataFrame(rows)

    @property
    def shared(self) -> pd.DataFrame:
        """The cells that both studies have."""
        return self.cells.dropna(subset=["first_n", "second_n"])

    def only(self, side: str) -> pd.DataFrame:
        """The cells that only this study has."""
        other = SIDES[1 - SIDES.index(side)]
        return self.cells[self.cells[f"{other}_n"].isna()]


def pair(
    first: StudyRuns, second: StudyRuns, correct: Mapping[str, Correct] = NOTHING_KNOWN
) -> Pair:
    measured = [f"{study.split} {study.metric.plural}" for study in (first, second)]
    if measured[0] != measured[1]:
        raise ReportError(
            f"report.compare=[{first.study},{second.study}]: the first has {measured[0]}, "
            f"the second {measured[1]}. Compare studies of one kind."
        )
    varying = varying_settings(first.params) | varying_settings(second.params)

    def named(study: StudyRuns) -> StudyRuns:
        variants = variant_texts(study.params, varying)
        return replace(study, runs=study.runs.assign(variant=variants.to_numpy()))

    return Pair(named(first), named(second), correct)


def _differences(cells: Sequence[Runs], metric: Metric) -> pd.DataFrame:
    found = [
        compare_pair(finals_of_learned(first), finals_of_learned(second), metric)
        for first, second in cells
    ]
    table = pd.DataFrame([vars(own) for own in found], columns=[*stats.Comparison.__annotations__])
    table["p_holm"] = holm([own.p for own in found])
    table["ahead"] = [_ahead(own, metric) for own in found]
    return table


def _over_both(cells: Sequence[Runs], correct: Mapping[str, Correct]) -> pd.DataFrame:
    """Differences with intervals over seeds and examples; only where both have the same ones."""
    found = [
        paired_difference(first, second, correct)
        if set(first["data"]) == set(second["data"])
        else UNKNOWN
        for first, second in cells
    ]
    return columns_over_both(found)


def _ahead(found: stats.Comparison, metric: Metric) -> str:
    if found.low is None or found.high is None:
        return ""
    gains = [metric.gain(end, 0.0) for end in (found.low, found.high)]
    return "first" if min(gains) > 0 else "second" if max(gains) < 0 else ""


Values = tuple[set[str], set[str]]


def _settings(both: Pair) -> Iterator[tuple[str, Values]]:
    tables = [study.params.loc[study.used["run_id"]] for study in both.studies]
    names = sorted(set(tables[0].columns) | set(tables[1].columns))
    for name in names:
        if not is_own(name) and name not in NOT_COMPARED:
            yield name, (_values(tables[0], name), _values(tables[1], name))
    for activation in labels.activation_order(
        set(tables[0]["activation"]) & set(tables[1]["activation"])
    ):
        rows = [table[table["activation"] == activation] for table in tables]
        for name in filter(is_own, names):
            yield f"{name} of {activation}", (_values(rows[0], name), _values(rows[1], name))
    for column, name in ORIGINS.items():
        yield name, (set(both.first.used[column]), set(both.second.used[column]))


def _values(params: pd.DataFrame, name: str) -> set[str]:
    return set(params[name].dropna()) if name in params else set()


def _listed(values: set[str]) -> str:
    return ", ".join(sorted(values, key=natural)) or UNSET
