"""Computes the metrics of a run: series by epoch, last and best values, a thinned trajectory.

Without pandas, which takes ten times as long for tables this small.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from actscope.artifacts.layers_at_start import start_metrics
from actscope.artifacts.unit_fates import Array, Records, shares
from actscope.engine.recorded import MEASURES
from actscope.engine.result import RunResult

# MLflow's UI is slow with hundreds of series a run, so it gets the article's only, at few steps.
SERIES_UNITS = 10  # of the first and of the last layer
SERIES_STEPS = 15
BEST = {"min": np.fmin, "max": np.fmax}  # they ignore NaN

Logged = tuple[str, float, int]  # name of a metric, value, step


class Series(NamedTuple):
    """Numbers of a metric, and the step of each."""

    steps: Array
    numbers: Array


def run_metrics(result: RunResult, fates: pd.DataFrame) -> Iterator[Logged]:
    """All metrics of a run; `fates`: of its units. A metric without a series is at step 0."""
    series = by_epoch(result.history)
    yield from _each_step(series)
    at_zero = {
        **final_and_best(series),
        **shares(fates),
        **start_metrics(result.layers, result.widths[:-1]),
    }
    for name, value in at_zero.items():
        yield name, value, 0
    yield from _each_step(thinned_series(result.trajectory))


def epoch_metrics(history: pd.DataFrame) -> Iterator[Logged]:
    """Metrics of a run's finished epochs; `history` as in a RunResult."""
    return _each_step(by_epoch(history))


def _each_step(series: Mapping[str, Series]) -> Iterator[Logged]:
    for name, (steps, numbers) in series.items():
        for step, value in zip(steps.tolist(), numbers.tolist(), strict=True):
            yield name, value, step


def describe(result: RunResult, fates: pd.DataFrame, link: str = "") -> str:
    """How a run ended, as Markdown: outcome, metric, when its first hidden unit died, the link."""
    if result.diverged_at is not None:
        step = result.diverged_at
        start = f"**diverged**: a number was no longer finite at minibatch {step}."
    else:
        metric = result.point.train.judged_by
        final = metric.final_in_words(result.test_final, result.validation_final)
        start = f"**{result.outcome}**, {final}."
    return f"{' '.join(filter(None, [start, _on_deaths(fates), link]))}\n\n{result.point}"


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


def thinned_series(trajectory: pd.DataFrame) -> dict[str, Series]:
    """The article's series at few steps: mean weight and bias of ten units.

    They are the first ten of the first layer and of the last. Their names are like
    `layer1/unit03/weight_mean`.
    """
    if trajectory.empty:
        return {}
    records = Records.of(trajectory)
    last = len(records.steps) - 1
    places = np.linspace(0, last, min(SERIES_STEPS, last + 1)).round().astype(int)
    steps = records.steps[places]
    series = {}
    for layer in dict.fromkeys([1, int(records.layers.max())]):
        quantities = ("weight_mean", "bias")
        columns = [records.column(name, layer)[places, :SERIES_UNITS].T for name in quantities]
        for unit, values in enumerate(zip(*columns, strict=True)):
            for name, of_unit in zip(quantities, values, strict=True):
                series[f"layer{layer}/unit{unit:02d}/{name}"] = Series(steps, of_unit)
    return series


def by_epoch(history: pd.DataFrame) -> dict[str, Series]:
    """Series by epoch, from 1, named like the metrics of a run: `test/accuracy` and so on.

    A test value is the one at the end of the epoch. A training value is the mean over the epoch's
    minibatches: the rows that end in the epoch, each weighted by its number of minibatches.
    """
    splits = history["split"].to_numpy(dtype=object)
    columns = {name: history[name].to_numpy(float) for name in history if name != "split"}
    series = {}
    for split in dict.fromkeys(splits):
        rows = {name: values[splits == split] for name, values in columns.items()}
        epoch = np.ceil(rows["epoch"].round(6)).astype(int)
        weight = np.diff(rows["step"], prepend=0)
        epochs = np.unique(epoch)
        minibatches = np.bincount(epoch, weight)[epochs]
        for measure in filter(rows.__contains__, MEASURES):
            total = np.bincount(epoch, weight * rows[measure])[epochs]
            series[f"{split}/{measure}"] = Series(epochs, total / minibatches)
    return series


def final_and_best(series: Mapping[str, Series]) -> dict[str, float]:
    """Last and best value of each series: `test/accuracy_final`, `test/accuracy_best`, ..."""
    summary = {}
    for name, (_, values) in series.items():
        if len(values):
            measure = name.split("/")[1]
            summary[f"{name}_final"] = float(values[-1])
            summary[f"{name}_best"] = float(BEST[MEASURES[measure]].reduce(values))
    return summary
