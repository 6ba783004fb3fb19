"""Computes the metrics of a run: series by epoch, last and best values, a thinned trajectory."""

import numpy as np
import pandas as pd

from actscope.engine.history import MEASURES, SPLITS

# MLflow's UI is slow with hundreds of series a run, so it gets the article's only, at few steps.
SERIES_UNITS = 10
SERIES_STEPS = 15


def thinned_series(trajectory: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
    """The article's series at few steps: mean weight and bias of the first ten units of a layer.

    Their names are like `layer1/unit03/weight_mean`; each is indexed by step.
    """
    steps = trajectory["step"].unique()
    places = np.linspace(0, len(steps) - 1, min(SERIES_STEPS, len(steps))).round().astype(int)
    shown = trajectory["step"].isin(steps[places]) & (trajectory["unit"] < SERIES_UNITS)
    rows, quantities = trajectory[shown], ["weight_mean", "bias"]
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
    for split in SPLITS:
        rows = history[history["split"] == split]
        # numpy is ten times as fast as pandas here, and live metrics call this for each run.
        epoch = np.ceil(rows["epoch"].to_numpy(float).round(6)).astype(int)
        weight = np.diff(rows["step"].to_numpy(float), prepend=0)
        epochs = np.unique(epoch)
        minibatches = np.bincount(epoch, weight)[epochs]
        for measure in MEASURES:
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
