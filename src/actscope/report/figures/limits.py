"""The ranges of the metric that figures show: a full scale, and an enlarged one."""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from actscope.metric import ACCURACY, Metric

Limits = tuple[float, float]
Item = TypeVar("Item")


def enlarged_limits(cells: pd.DataFrame, metric: Metric = ACCURACY) -> Limits | None:
    """Range of the enlarged scale around the means of runs that learned.

    It starts no lower than puts their median at two thirds of it. None if fewer than two cells
    have such runs, if they learned too little, or if the metric is not shown from 0 to 1.
    """
    if not metric.is_bounded:
        return None
    learned = 100 * cells["final_mean"].dropna()
    if len(learned) < 2:
        return None
    lowest, highest = learned.min(), learned.max()
    margin = max(highest - lowest, 0.2)  # of a point: less is noise
    start = max(100 - 3 * (100 - learned.median()), lowest - 1.5 * margin)
    start = np.floor(10 * start) / 10 if margin < 1 else np.floor(start)
    if start < 40:
        return None
    scale = metric.scale / 100
    return scale * float(start), scale * float(min(100.2, highest + margin))


def full_limits(values: "pd.Series[float]", metric: Metric) -> Limits:
    """Range of the full scale; `values`: all that are drawn."""
    top = metric.part(102)
    if top is None:
        finite = values[np.isfinite(values)]
        top = 1.05 * metric.scale * float(finite.max()) if len(finite) else 1.0
    return metric.scale * metric.axis[0], top


def high_limits(values: "pd.Series[float]", metric: Metric, top: float) -> Limits:
    """A range from a multiple of 5 per cent that at most a tenth of these falls below.

    `top`: its end in per cent. The full scale if the metric is not shown from 0 to 1.
    """
    end = metric.part(top)
    if end is None:
        return full_limits(values, metric)
    tenth = values.dropna().quantile(0.1)
    lowest = 0.0 if np.isnan(tenth) else max(0.0, 5 * math.floor((100 * tenth - 1) / 5))
    return metric.scale / 100 * lowest, end


def panel_rows(
    cells: pd.DataFrame,
    items: Sequence[Item],
    drawn: "pd.Series[float]",
    metric: Metric,
) -> list[list[tuple[Item, Limits]]]:
    """Item and range of each panel: a row on the full scale, and an enlarged one.

    `drawn`: all values of the metric that are drawn.
    """
    enlarged = enlarged_limits(cells, metric)
    scales = [full_limits(drawn, metric), *([enlarged] if enlarged else [])]
    return [[(item, limits) for item in items] for limits in scales]
