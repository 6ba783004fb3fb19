"""Sentences about the lead of a study's best cell."""

import pandas as pd

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.ranking import Lead
from actscope.analysis.stats import INTERVAL, Estimate
from actscope.metric import Metric


def headline(
    split: str, lead: Lead, best: "pd.Series[float]", metric: Metric, axis: Axis = RATE
) -> str:
    """Which cell is best, what chose it, and its metric; `split`: what that is measured on."""
    cell = f"{best['activation']} at {axis.equals(best[axis.column])}"
    among = (
        "the only mean"
        if lead.ranked == 1
        else f"the {metric.best_word} mean of {lead.ranked} cells"
    )
    if not lead.is_validated:
        return f"{cell} has {among}, on the test set itself: {mean_in_words(best, metric)}."
    if split == "validation":
        return f"{cell} has {among}, on the validation set: {mean_in_words(best, metric)}."
    return (
        f"{cell} has {among} on the validation set. Its final test {metric.words} is "
        f"{mean_in_words(best, metric)}. The test set did not choose it."
    )


def mean_in_words(cell: "pd.Series[float]", metric: Metric) -> str:
    """`97.20 % (mean of 5 runs, 95 % t-interval over seeds 97.01 to 97.39 %)`."""
    mean = metric.show(cell["final_mean"])
    if cell["n"] == 1:
        return f"{mean} (one run, so no interval)"
    if cell["final_sd"] == 0:
        return f"{mean} (all {cell['n']} runs are equal, so no interval)"
    low, high = metric.number(cell["final_low"]), metric.show(cell["final_high"])
    return f"{mean} (mean of {cell['n']} runs, {INTERVAL} {low} to {high})"


def distance_to_next(
    second: "pd.Series[float]", lead: Estimate, metric: Metric, axis: Axis = RATE
) -> str:
    """How far the best cell is above the best of the next activation, and how surely."""
    at = axis.text(second[axis.column])
    other = f"the next activation, {second['activation']} at its best {axis.name} {at}"
    if lead.n == 0:
        return f"It shares no seed with {other}, so the two are not compared."
    direction = "below" if lead.mean < 0 else "above"  # validation may choose the lower one
    size = metric.number(abs(float(lead.mean))) + metric.difference_behind
    size = f"{size} {direction} {other}"
    if lead.n == 1:
        return f"That is {size}. One shared seed gives no interval."
    return f"That is {size}. {_interval_in_words(lead, metric)}."


def _interval_in_words(lead: Estimate, metric: Metric) -> str:
    if lead.sd == 0:
        return f"It is the same with each of the {lead.n} seeds, so there is no interval"
    low, high = float(lead.low), float(lead.high)
    ends = f"{metric.signed(low)} to {metric.signed(high)}{metric.difference_behind}"
    return f"The paired {INTERVAL} is {ends} (n = {lead.n}){undecided(low, high, metric)}"


def undecided(low: float, high: float, metric: Metric) -> str:
    """Which one is better by the interval of a difference, unless it is the first."""
    least, most = sorted((metric.gain(low, 0.0), metric.gain(high, 0.0)))
    if least > 0:
        return ""
    return ": the next one is better" if most < 0 else ": either may be better"
