"""The runs of a study as tidy tables: which count, which do not and why, which are missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import pandas as pd

from actscope import tracking
from actscope.analysis.axis import Axis, axis_of, check_axis
from actscope.analysis.labels import activation_order, natural, sort_key
from actscope.analysis.logged_settings import read_setting
from actscope.analysis.run_settings import (
    NAMED_BY,
    find_metric,
    named,
    setting_faults,
    settings_of,
    why_none,
    why_unusable,
)
from actscope.analysis.stats import summarise
from actscope.analysis.variants import describe_variants
from actscope.analysis.varying import LEARNING_RATE
from actscope.artifacts.unit_fates import FATES
from actscope.command_line.suggestions import training
from actscope.errors import ReportError
from actscope.metric import Metric
from actscope.tracking import METRICS, Store

UNIT_SHARE = rf"^({'|'.join(FATES)})/(layer\d+|hidden)$"  # a metric
PACK = r"[0-9a-f]{32}/[0-9a-f]{32}"  # other values of the tag are ignored
ARTICLE_SEED = 20170523


class NoRunsError(ReportError):
    """No run of a study can be used."""


@dataclass(frozen=True, eq=False)
class StudyRuns:
    """All runs of a study.

    `runs`: one row per run, sorted by point: `run_id`, `name`, `axis.point`, `status`, `outcome`,
    `used`, `why` (it is used or left out), `final` (`metric` on `split`; NaN if the run
    diverged or the value is unknown), `sweep`, `commit`, `dirty`, `code`, `data`, `pack` (of
    tracking.read_runs, or ''). Runs with unreadable settings come last and are used nowhere.
    `params`: the settings as text, by `run_id`, in the same order. `unit_shares`: the metrics
    `dead/layer1` and so on, by `run_id`; NaN if a run has none. `missing`: `axis.point` of the
    points of the grid without a finished run. `found`: the table of tracking.read_runs.
    `unreadable`: the reasons why files of runs cannot be read, by run id.
    """

    study: str
    runs: pd.DataFrame
    params: pd.DataFrame
    unit_shares: pd.DataFrame
    missing: pd.DataFrame
    grid_size: int
    found: pd.DataFrame
    unreadable: Mapping[str, str]
    metric: Metric
    axis: Axis

    def without(self, unreadable: Mapping[str, str]) -> "StudyRuns":
        """The study without these runs, whose files cannot be read, for these reasons.

        Raises:
            NoRunsError: no run is left.

        """
        unreadable = {**self.unreadable, **unreadable}
        return choose_runs(self.study, self.found, unreadable, axis=self.axis.setting)

    @cached_property
    def by_rate(self) -> "StudyRuns":
        """The same study with the learning rate as its axis."""
        return self if self.axis.is_rate else choose_runs(self.study, self.found, self.unreadable)

    @cached_property
    def used(self) -> pd.DataFrame:
        return self.runs[self.runs["used"]]

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The last value of each metric of all runs, by `run_id`."""
        return named(self.found.set_index("run_id"), METRICS)

    @cached_property
    def left_out(self) -> pd.DataFrame:
        return self.runs[~self.runs["used"]]

    @cached_property
    def cells(self) -> pd.DataFrame:
        return summarise(self.used, self.axis)

    @cached_property
    def splits(self) -> dict[str, str]:
        """What `final` is measured on by variant: `test`, or `validation` where none is tested."""
        tested = self.params.reindex(columns=["data.test"]).loc[self.used["run_id"], "data.test"]
        of_variant = zip(self.used["variant"], tested, strict=True)
        return {variant: "validation" if is_ == "False" else "test" for variant, is_ in of_variant}

    @property
    def split(self) -> str:
        """What `final` is measured on in all variants, in words."""
        return " or ".join(sorted(set(self.splits.values())))

    @property
    def split_of_epochs(self) -> str:
        """What each epoch is measured on: `test`, or `validation` where examples are held out."""
        return "test" if set(self.values_of("data.validation")) <= {"0"} else "validation"

    def values_of(self, parameter: str) -> list[str]:
        """The distinct values of a parameter among the used runs."""
        if parameter not in self.params:
            return []
        values = self.params.loc[self.used["run_id"], parameter].dropna()
        return sorted(set(values), key=natural)


def read_study(store: Store, study: str, axis: str = LEARNING_RATE) -> StudyRuns:
    """Read the runs of a study and choose those that count; `axis`: a setting that varies.

    Raises:
        StoreError: there is no such study, or the store cannot be read.
        NoRunsError: no run is finished and can be read.
        ConfigError: the setting does not vary.

    """
    runs = choose_runs(study, tracking.read_runs(store, study), store=store, axis=axis)
    check_axis(study, axis, runs.params)
    return runs


def choose_runs(
    study: str,
    found: pd.DataFrame,
    unreadable: Mapping[str, str] = {},
    store: Store | None = None,
    axis: str = LEARNING_RATE,
) -> StudyRuns:
    """Choose the runs of `tracking.read_runs` that count; `axis`: the setting of the Axis.

    The newest finished run of each point counts. The grid of a variant is the product of the
    activations, values of the axis and seeds of all its runs, finished or not. Runs with invalid
    settings are ignored. `unreadable`: the reasons why files of runs cannot be read, by run id.

    Raises:
        NoRunsError: no run is finished and can be read.
        ReportError: its runs have different metrics.

    """
    if found.empty:
        raise NoRunsError(
            f"study={study}: no runs yet. Train them with `{training(study, store)}`."
        )
    by_run = found.set_index("run_id")
    settings = settings_of(by_run)
    faults = setting_faults(settings)
    is_odd = settings.index.isin(list(faults))
    params = settings[~is_odd]
    params = params[[name for name in params if name in NAMED_BY or params[name].notna().any()]]
    of_axis = axis_of(axis, params)
    variants = describe_variants(params, axis).reindex(settings.index, fill_value="")
    metric = find_metric(study, found, params)
    runs = _typed(found, settings, variants, metric, of_axis)
    faults = {run_id: f"cannot be read: {why}" for run_id, why in unreadable.items()} | faults
    runs = _judged(runs, by_run["reason"], faults, metric, of_axis).assign(is_odd=is_odd)
    by = ["is_odd", *of_axis.point, "ended", "run_id"]
    runs = runs.sort_values(by, key=sort_key, ignore_index=True, na_position="last")
    if not runs["used"].any():
        raise NoRunsError(f"study={study}: {why_none(runs, study, store)}")
    missing, grid_size = _missing(runs[~runs["is_odd"]], of_axis)
    params = params.reindex(runs["run_id"])
    unit_shares = named(by_run, METRICS).filter(regex=UNIT_SHARE).loc[runs["run_id"]].astype(float)
    runs = runs.drop(columns=["ended", "is_odd"])
    return StudyRuns(
        study, runs, params, unit_shares, missing, grid_size, found, unreadable, metric, of_axis
    )


def averaged(runs: StudyRuns) -> pd.DataFrame:
    """The used runs that did not diverge: those with a final value and with units."""
    return runs.used[runs.used["outcome"] != "diverged"]


def choose_seed(runs: StudyRuns, wanted: int | None) -> int:
    """The seed whose trajectories are drawn: `wanted`, else the article's, else the smallest.

    Raises:
        ReportError: no used run has the wanted seed.

    """
    seeds = sorted({int(seed) for seed in runs.used["seed"]})
    if wanted is None:
        return ARTICLE_SEED if ARTICLE_SEED in seeds else seeds[0]
    if wanted not in seeds:
        there = ", ".join(str(seed) for seed in seeds)
        raise ReportError(
            f"report.seed={wanted}: no finished run has this seed. Choose one of {there}."
        )
    return wanted


def _typed(
    found: pd.DataFrame,
    settings: pd.DataFrame,
    variants: "pd.Series[str]",
    metric: Metric,
    axis: Axis,
) -> pd.DataFrame:
    def text(name: str) -> "pd.Series[str]":
        return found[name].fillna("").astype("str")

    def number(name: str) -> "pd.Series[float]":
        if name not in found:
            return pd.Series(float("nan"), index=found.index)
        return found[name].astype(float).where(found["outcome"] != "diverged")

    def values(name: str) -> list[Any]:
        return [_value(name, given) for given in settings[name]]

    rates = pd.Series(values(LEARNING_RATE), settings.index, dtype=float)
    is_tested = (settings["data.test"] != "False").to_numpy()
    tested = number(f"{METRICS}test/{metric.name}_final")
    validated = number(f"{METRICS}validation/{metric.name}_best")
    return pd.DataFrame(
        {
            "run_id": found["run_id"],
            "name": text("name"),
            "variant": variants.to_numpy(),
            "activation": pd.Series(values("activation"), found.index).fillna("").astype("str"),
            axis.column: (rates if axis.is_rate else axis.read(settings)).array,
            # Not as a float: a seed may have 63 bits.
            "seed": pd.array(values("seed"), dtype="Int64"),
            "status": text("status"),
            "outcome": text("outcome"),
            "final": tested.where(is_tested, validated),
            "validation": validated,
            "sweep": text("sweep"),
            "commit": text("commit"),
            "dirty": text("dirty"),
            "code": text("signature.code"),
            "data": text("signature.data"),
            "point": text("signature.config"),
            "pack": text("pack").where(text("pack").str.fullmatch(PACK), ""),
            "ended": found["ended"].astype(float),
        }
    )


def _value(setting: str, text: object) -> Any:
    """The value of a setting; None if it is missing or invalid."""
    return read_setting(setting, text).value if isinstance(text, str) else None


def _judged(
    runs: pd.DataFrame,
    reasons: "pd.Series[str]",
    faults: Mapping[str, str],
    metric: Metric,
    axis: Axis,
) -> pd.DataFrame:
    """Add `used` and `why`; `faults`: the faults of runs, by id."""
    why = pd.Series(
        [
            why_unusable(run, reasons[run["run_id"]], faults.get(run["run_id"], ""), metric)
            for run in runs.to_dict("records")
        ],
        runs.index,
        dtype="str",
    )
    is_used = why == ""
    usable = runs[is_used].sort_values(["ended", "run_id"])
    attempts = usable.groupby(axis.point)["run_id"]
    count, newest = attempts.transform("size"), attempts.transform("last")
    is_newest = usable["run_id"] == newest
    word = "newest of " + count.astype("str") + " finished runs"
    word = word.mask(count == 1, "the only finished run") + " of its point"
    why[usable.index] = word.where(is_newest, "superseded by " + newest)
    is_used[usable.index] = is_newest
    return runs.assign(used=is_used, why=why)


def _missing(runs: pd.DataFrame, axis: Axis) -> tuple[pd.DataFrame, int]:
    """Points of the grid without a used run, and the size of the grid."""
    grid = []
    for variant, rows in runs[runs["seed"].notna()].groupby("variant", sort=False):
        names, values = activation_order(rows["activation"]), axis.ordered(rows[axis.column])
        grid += list(product([variant], names, values, sorted(set(rows["seed"]))))
    there = set(runs.loc[runs["used"], axis.point].itertuples(index=False, name=None))
    missing = [point for point in grid if point not in there]
    return pd.DataFrame(missing, columns=axis.point), len(grid)
