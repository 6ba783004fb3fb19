"""The settings of a study's runs, as text; the metric that they set; why runs do not count."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from actscope.analysis.logged_settings import LATER, NETWORK, is_setting, read_setting
from actscope.analysis.stats import OUTCOMES
from actscope.analysis.varying import LEARNING_RATE
from actscope.command_line.suggestions import command, training
from actscope.errors import ReportError
from actscope.metric import ACCURACY, Metric, metric_of
from actscope.tracking import PARAMS, Store

NAMED_BY = ["activation", LEARNING_RATE, "seed"]  # the settings that every run must have
NO_PARAMETERS = "has no parameters"


def settings_of(by_run: pd.DataFrame) -> pd.DataFrame:
    """The parameters that are settings of points, by run id, with those of NAMED_BY and LATER."""
    params = named(by_run, PARAMS)
    settings = params[sorted(str(name) for name in params if is_setting(str(name)))]
    missing = {name: None for name in [*NAMED_BY, *LATER] if name not in settings}
    return settings.assign(**missing).fillna(LATER)


def named(by_run: pd.DataFrame, beginning: str) -> pd.DataFrame:
    """The columns whose names have this beginning, under the rest of their names."""
    own = by_run.loc[:, by_run.columns.str.startswith(beginning)]
    return own.rename(columns=lambda name: name.removeprefix(beginning))


def setting_faults(settings: pd.DataFrame) -> dict[str, str]:
    """The faults of invalid settings, by run id."""
    lacking = settings[NAMED_BY].isna().any(axis="columns")
    faults = dict.fromkeys(settings.index[lacking], NO_PARAMETERS)
    networks = settings.reindex(columns=[NETWORK])[NETWORK].dropna().index
    for name, texts in settings.items():
        for run_id, text in texts.dropna().items():
            if fault := read_setting(str(name), text, of_own_network=run_id in networks).fault:
                faults.setdefault(run_id, f"cannot be read: {fault}")
    return faults


def find_metric(study: str, found: pd.DataFrame, params: pd.DataFrame) -> Metric:
    """What the finished runs of a study are judged by, or all runs if none is finished.

    `found`: of tracking.read_runs; `params`: their settings as text, by run id.

    Raises:
        ReportError: they are judged by different metrics.

    """
    finished = found.loc[found["status"] == "FINISHED", "run_id"]
    own = params[params.index.isin(finished)]
    names = ["train.loss", "train.metric"]
    pairs = (own if len(own) else params).reindex(columns=names).drop_duplicates()
    rows = pairs.itertuples(index=False, name=None)
    metrics = {metric_of(dict(zip(names, row, strict=True))): None for row in rows}
    if len(metrics) > 1:
        words = " and ".join(metric.words for metric in metrics)
        raise ReportError(
            f"study={study}: its runs are judged by different metrics, {words}. Train those of "
            "each metric as a study of its own."
        )
    return next(iter(metrics), ACCURACY)


def why_unusable(run: Mapping[Any, Any], reason: object, fault: str, metric: Metric) -> str:
    status = str(run["status"])
    if status == "RUNNING":
        return "still RUNNING"
    if status == "FAILED":
        return f"status FAILED: {reason}" if isinstance(reason, str) else "status FAILED"
    if status != "FINISHED":
        return status
    if fault:
        return f"FINISHED, but {fault}"
    if run["outcome"] == "":
        return "FINISHED, but has no outcome"
    if run["outcome"] not in OUTCOMES:
        return f"FINISHED, but its outcome is not one of {', '.join(OUTCOMES)}"
    if run["outcome"] != "diverged":
        if pd.isna(run["final"]):
            return f"FINISHED, but has no final {metric.words}"
        low, high = metric.limits
        if not low <= run["final"] <= high:
            return f"FINISHED, but its final {metric.words} is not between {low:g} and {high:g}"
    return ""


def why_none(runs: pd.DataFrame, study: str, store: Store | None) -> str:
    """Why no run of a study with runs is used."""
    finished = runs[runs["status"] == "FINISHED"]
    if len(finished):
        first = finished.iloc[0]
        return (
            f"none of its {len(finished)} finished runs can be used. Run {first['run_id']}: "
            f"{first['why']}. Check the store with `{command('doctor', store=store)}`."
        )
    states = ", ".join(f"{n} {s}" for s, n in sorted(runs["status"].value_counts().items()))
    return f"no finished runs ({states}). Train them with `{training(study, store)}`."
