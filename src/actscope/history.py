"""Loss and accuracy over the training, epoch by epoch."""

import numpy as np
import pandas as pd

MEASURES = {"loss": "min", "accuracy": "max"}  # and which end of it is best


def by_epoch(history: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
    """Series over whole epochs, from 1, named as the metrics of a run: `test/accuracy` and so on.

    Test values are those at the end of the epoch. A training value is the mean over the epoch's
    minibatches: the rows that end in it, each weighted by the minibatches it stands for.
    """
    series = {}
    for split in ("train", "test"):
        rows = history[history["split"] == split]
        epoch = np.ceil(rows["epoch"].astype(float).round(6)).astype(int)
        weight = rows["step"].diff().fillna(rows["step"])
        for measure in MEASURES:
            total = (rows[measure].astype(float) * weight).groupby(epoch).sum()
            series[f"{split}/{measure}"] = total / weight.groupby(epoch).sum()
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
