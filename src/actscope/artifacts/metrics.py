"""Computes the metrics of a run: series by epoch, last and best values, a thinned trajectory."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from actscope.artifacts.layers_at_start import start_metrics
from actscope.artifacts.unit_fates import shares, unit_fates
from actscope.engine.recorded import MEASURES
from actscope.engine.result import RunResult

# MLflow's UI is slow with hundreds of series a run, so it gets the article's only, at few steps.
SERIES_UNITS = 10  # of the first and of the last layer
SERIES_STEPS = 15

Logged = tuple[str, float, int]  # name of a metric, value, step


def run_metrics(result: RunResult) -> Iterator[Logged]:
    """All metrics of a run. A metric without a series of its own is at step 0."""
    series = by_epoch(result.history)
    yield from _each_step(series)
    at_zero = {
        **final_and_best(series),
        **shares(unit_fates(result.trajectory, result.probe)),
        **start_metrics(result.layers, result.widths[:-1]),
    }
    for name, value in at_zero.items():
        yield name, value, 0
    yield from _each_step(thinned_series(result.trajectory))


def epoch_metrics(history: pd.DataFrame) -> Iterator[Logged]:
    """Metrics of a run's finished epochs; `history` as in a RunResult."""
    return _each_step(by_epoch(history))


def _each_step(series: Mapping[str, "pd.Series[float]"]) -> Iterator[Logged]:
    for name, values in series.items():
        for step, value in zip(values.index.tolist(), values, strict=True):
            yield name, float(value), step


def describe(result: RunResult, link: str = "") -> str:
    """How a run ended, as Markdown: outcome, metric, when its first hidden unit died, the link."""
    if result.diverged_at is not None:
        step = result.diverged_at
        start = f"**diverged**: a number was no longer finite at minibatch {step}."
    else:
        metric = result.point.train.judged_by
        final = metric.final_in_words(result.test_final, result.validation_final)
        start = f"**{result.outcome}**, {final}."
    deaths = _on_deaths(unit_fates(result.trajectory, result.probe))
    return f"{' '.join(filter(None, [start, deaths, link]))}\n\n{result.point}"


def _on_deaths(fates: pd.DataFrame) -> str:
    """When the first hidden unit died, and how many did; '' if no unit was probed.

    A dead unit is also saturated, so both are counted.
    """
    if fates.empty:
        return ""
    hidden = fates[fates["layer"] < fates["layer"].max()]
    gone = hidden[hidden["saturated"]]
    if gone.empty:
        return f"None of its {len(hidden)} hidden units died."
    first = gone.loc[gone["saturated_since"].idxmin()]
    return (
        f"Its first hidden unit died at minibatch {first['saturated_since']} (layer "
        f"{first['layer']}, unit {first['unit']}); at the end {len(gone)} of {len(hidden)} hidden "
        "units are dead or saturated."
    )


def thinned_series(trajectory: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
    """The article's series at few steps: mean weight and bias of ten units.

    They are the first ten of the first layer and of the last. Their names are like
    `layer1/unit03/weight_mean`; each is indexed by step.
    """
    steps = trajectory["step"].unique()
    places = np.linspace(0, len(steps) - 1, min(SERIES_STEPS, len(steps))).round().astype(int)
    is_outer = trajectory["layer"].isin([1, trajectory["layer"].max()])
    is_shown = is_outer & (trajectory["unit"] < SERIES_UNITS)
    rows = trajectory[is_shown & trajectory["step"].isin(steps[places])]
    quantities = ["weight_mean", "bias"]
    by_unit = rows.pivot(index="step", columns=["layer", "unit"], values=quantities)  # noqa: PD010 - faster
    units = rows[["layer", "unit"]].drop_duplicates().itertuples(index=False)
    return {
        f"layer{layer}/unit{unit:02d}/{quantity}": by_unit[quantity, layer, unit]
        for layer, unit in units
        for quantity in quantities
    }


def by_epoch(history: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
    """Series by epoch, from 1, named like the metrics of a run: `test/accuracy` and so on.

    A test value is the one at the end of the epoch. A training value is the mean over the epoch's
    minibatches: the rows that end in the epoch, each weighted by its number of minibatches.
    """
    series = {}
    for split, rows in history.groupby("split", sort=False):
        # numpy is ten times as fast as pandas here, and live metrics call this for each run.
        epoch = np.ceil(rows["epoch"].to_numpy(float).round(6)).astype(int)
        weight = np.diff(rows["step"].to_numpy(float), prepend=0)
        epochs = np.unique(epoch)
        minibatches = np.bincount(epoch, weight)[epochs]
        for measure in filter(rows.columns.__contains__, MEASURES):
            total = np.bincount(epoch, weight * rows[measure].to_numpy(float))[epochs]
            series[f"{split}/{measure}"] = pd.Series(total / minibatches, epochs, name=measure)
    return series


def final_and_best(series: dict[str, "pd.Series[float]"]) -> dict[str, float]:
    """Last and best value of each series: `test/accuracy_final`, `test/accuracy_best`, ..."""
    summary = {}
    for name, values in series.items():
        if len(values):
            measure = name.split("/")[1]
            summary[f"{name}_final"] = float(values.iloc[-1])
            summary[f"{name}_best"] = float(values.agg(MEASURES[measure]))
    return summary
