"""The tables of a tuned or searched study's report."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from actscope.analysis.factors import Factors, short_name
from actscope.analysis.judged_study import JudgedStudy
from actscope.analysis.searched_study import SearchedStudy
from actscope.analysis.stats import INTERVAL
from actscope.analysis.tuned_study import TunedStudy
from actscope.analysis.tuning_budget import agreement
from actscope.artifacts.spreadsheet import to_csv
from actscope.engine.recorded import LAYER_STATISTICS
from actscope.metric import Metric
from actscope.report.tables import files
from actscope.report.tables.files import DASH, NO_INTERVAL, Table
from actscope.report.tables.study import readable_differences


def choices_table(study: TunedStudy) -> Table:
    chosen, metric = study.choices, study.metric
    shown = readable(
        chosen,
        study.factors,
        {
            "lr": chosen["lr"].map(rate),
            "n": chosen["n"],
            metric.heading("validation"): chosen["validation"].map(metric.number),
            "standard error": chosen["error"].map(metric.number),
            metric.heading("at half"): _with_lost(chosen, "half", metric),
            metric.heading("at double"): _with_lost(chosen, "double", metric),
            "trials": chosen["trials"],
            "flag": chosen["flag"],
        },
    )
    caption = "The chosen rate of each cell, and the rates next to it"
    return Table("choices", caption, chosen, shown)


def judged_table(study: JudgedStudy) -> Table:
    judged, metric = study.judged, study.metric
    records = judged.to_dict("records")
    shown = readable(
        judged,
        study.factors,
        {
            "rate": judged["rate"],
            "lr": judged["lr"].map(rate),
            "n": [f"{row['learned']} of {row['runs']}" for row in records],
            "lost": judged["lost"],
            metric.heading("test"): judged["mean"].map(metric.number),
            "sd": judged["sd"].map(metric.number),
            INTERVAL: [_interval(row, metric) for row in records],
        },
    )
    halves = " and at half of it" if "half" in set(judged["rate"]) else ""
    caption = f"Test {metric.words} of each cell at its chosen rate{halves}"
    return Table("judged", caption, judged, shown)


def leads_table(study: JudgedStudy) -> Table:
    leads = study.leads
    columns = {"over": leads["rival"].replace("", DASH), "n": leads["n"]}
    shown = readable(leads, study.factors, columns | readable_differences(leads, study.metric))
    caption = f"The lead of each cell over {study.rival}"
    return Table("leads", caption, leads, shown)


def signal_table(signal: pd.DataFrame) -> Table:
    """The signal in the first, the middle and the last layer; the file has all layers."""
    depth = int(signal["depth"].max())
    layers = signal[signal["layer"].isin([1, (1 + depth) // 2, depth])]
    columns = {
        name.replace("_", " "): layers[name].map("{:.3g}".format) for name in LAYER_STATISTICS
    }
    shown = files.readable(layers, ["variant", "activation", "layer", "n"], columns)
    caption = f"The signal at step 0 in three of {depth} hidden layers"
    return Table("signal", caption, signal, shown)


def slopes_table(study: JudgedStudy) -> Table:
    slopes, axis = study.slopes, study.factors.axis or ""
    records = slopes.to_dict("records")
    columns = {
        short_name(axis): [
            f"{row['lowest']:g} to {row['highest']:g}" if row["values"] else DASH for row in records
        ],
        "n": slopes["n"],
        **readable_differences(slopes, study.metric),
    }
    shown = readable(slopes, study.factors, columns, study.factors.panel)
    heading = study.metric.difference_heading
    renamed = {heading("difference"): heading("change"), "first better": "rising"}
    shown = shown.drop(columns="pairs needed").rename(columns=renamed)
    caption = f"How each lead changes when {short_name(axis)} doubles"
    return Table("slopes", caption, slopes, shown, is_folded=False)


def shared_table(study: TunedStudy) -> Table:
    """Its csv has the metric of each activation at each rate."""
    found = agreement(study.shared, study.factors)
    records = found.to_dict("records")
    shown = readable(
        found,
        study.factors,
        {
            "lr": found["lr"].map(rate),
            "pairs in the tuned order": [f"{row['same']} of {row['pairs']}" for row in records],
            "best at this rate": found["best"],
            "best when tuned": found["tuned_best"],
        },
        study.factors.settings,
    )
    return Table("shared_rate", "The order of the activations at each rate", study.shared, shown)


def best_table(study: SearchedStudy) -> Table:
    chosen, metric = study.choices, study.metric
    columns = {
        **_tuned_settings(study, chosen),
        "n": chosen["n"],
        metric.heading("validation"): chosen["validation"].map(metric.number),
        "standard error": chosen["error"].map(metric.number),
        "trial": chosen["number"].map(lambda number: DASH if pd.isna(number) else f"{number:.0f}"),
        "finished": chosen["finished"],
        "pruned": chosen["pruned"],
        "failed": chosen["failed"],
        "flag": chosen["flag"],
    }
    caption = f"The best trial of each cell by validation {metric.words}, and how its trials ended"
    return Table("best", caption, chosen, readable(chosen, study.factors, columns), is_folded=False)


def trials_table(study: SearchedStudy) -> Table:
    trials, metric = study.trials, study.metric
    columns = {
        "trial": trials["number"],
        **_tuned_settings(study, trials),
        "state": trials["state"],
        "n": trials["n"],
        metric.heading("validation"): trials["validation"].map(metric.number),
        metric.heading("best so far"): trials["best"].map(metric.number),
    }
    return Table("trials", "Every trial", trials, readable(trials, study.factors, columns))


def _tuned_settings(study: SearchedStudy, table: pd.DataFrame) -> dict[str, list[str]]:
    return {short_name(name): [_setting(value) for value in table[name]] for name in study.tuned}


def _setting(value: Any) -> str:
    if isinstance(value, float):
        return DASH if pd.isna(value) else f"{value:.3g}"
    return str(value)


def further_files(study: JudgedStudy) -> dict[str, bytes]:
    """Files of the tables that the page does not show: the budget, and all runs."""
    tables = {"evaluations": study.evaluations}
    if isinstance(study, TunedStudy):
        tables |= {"budget": study.budget, "trials": study.trial_runs}
    else:
        tables["trial_runs"] = study.trial_runs
    return {f"tables/{name}.csv": to_csv(table).encode() for name, table in tables.items()}


def rate(lr: float) -> str:
    """A rate with three digits: halves of halves have many."""
    return DASH if pd.isna(lr) else f"{lr:.3g}"


def readable(
    table: pd.DataFrame,
    factors: Factors,
    columns: Mapping[str, Any],
    settings: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The columns after those that name a row, in short."""
    named = factors.settings if settings is None else settings
    names = [*named, *(["activation"] if "activation" in table else [])]
    own = table[names].rename(columns=short_name)
    return files.readable(own, [str(name) for name in own], columns)


def _with_lost(chosen: pd.DataFrame, name: str, metric: Metric) -> list[str]:
    """Means, with the number of lost runs where there are any: `12.30, 4 lost`."""
    return [
        DASH if pd.isna(mean) else f"{metric.number(mean)}{f', {lost} lost' if lost else ''}"
        for mean, lost in zip(chosen[name], chosen[f"{name}_lost"], strict=True)
    ]


def _interval(row: Mapping[Any, Any], metric: Metric) -> str:
    if row["learned"] == 0:
        return "none: no run learned" if row["runs"] else "none: no run yet"
    if row["learned"] == 1:
        return NO_INTERVAL
    if pd.isna(row["low"]):
        return "none: all equal"
    return f"{metric.number(row['low'])} to {metric.number(row['high'])}"
