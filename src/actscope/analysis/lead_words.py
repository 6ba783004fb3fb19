"""Sentences about the lead of a study's best cell."""

import pandas as pd

from actscope.analysis.labels import rate_text
from actscope.analysis.ranking import Lead
from actscope.analysis.stats import INTERVAL, Estimate


def headline(split: str, lead: Lead, best: "pd.Series[float]") -> str:
    """Which cell is best, what chose it, and its accuracy; `split`: what that is measured on."""
    cell = f"{best['activation']} at lr = {rate_text(best['lr'])}"
    among = "the only mean" if lead.ranked == 1 else f"the highest mean of {lead.ranked} cells"
    if not lead.is_validated:
        return f"{cell} has {among}, on the test set itself: {accuracy_in_words(best)}."
    if split == "validation":
        return f"{cell} has {among}, on the validation set: {accuracy_in_words(best)}."
    return (
        f"{cell} has {among} on the validation set. Its final test accuracy is "
        f"{accuracy_in_words(best)}. The test set did not choose it."
    )


def accuracy_in_words(cell: "pd.Series[float]") -> str:
    """`97.20 % (mean of 5 runs, 95 % t-interval over seeds 97.01 to 97.39 %)`."""
    mean = f"{100 * cell['final_mean']:.2f} %"
    if cell["n"] == 1:
        return f"{mean} (one run, so no interval)"
    if cell["final_sd"] == 0:
        return f"{mean} (all {cell['n']} runs are equal, so no interval)"
    low, high = 100 * cell["final_low"], 100 * cell["final_high"]
    return f"{mean} (mean of {cell['n']} runs, {INTERVAL} {low:.2f} to {high:.2f} %)"


def distance_to_next(second: "pd.Series[float]", lead: Estimate) -> str:
    """How far the best cell is above the best of the next activation, and how surely."""
    other = (
        f"the next activation, {second['activation']} at its best rate {rate_text(second['lr'])}"
    )
    if lead.n == 0:
        return f"It shares no seed with {other}, so the two are not compared."
    direction = "below" if lead.mean < 0 else "above"  # validation may choose the lower one
    size = f"{100 * abs(float(lead.mean)):.2f} points {direction} {other}"
    if lead.n == 1:
        return f"That is {size}. One shared seed gives no interval."
    return f"That is {size}. {_interval_in_words(lead)}."


def _interval_in_words(lead: Estimate) -> str:
    if lead.sd == 0:
        return f"It is the same with each of the {lead.n} seeds, so there is no interval"
    low, high = 100 * float(lead.low), 100 * float(lead.high)
    interval = f"The paired {INTERVAL} is {low:+.2f} to {high:+.2f} points (n = {lead.n})"
    return f"{interval}{undecided(low, high)}"


def undecided(low: float, high: float) -> str:
    """Which one is better by the interval of a difference, unless it is the first."""
    if low > 0:
        return ""
    return ": the next one is better" if high < 0 else ": either may be better"
