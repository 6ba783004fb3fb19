"""Sentences about the accuracies and outcomes of a study."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from actscope.analysis.labels import rate_text
from actscope.analysis.ranking import Lead
from actscope.analysis.seeds_and_images import RESAMPLES, CrossedEstimate
from actscope.analysis.stats import INTERVAL, Estimate


def answer(
    splits: Mapping[str, str], cells: pd.DataFrame, leads: Mapping[str, Lead]
) -> list[list[str]]:
    """Sentences on each variant: which cell is best and by how much, and which runs fail.

    `splits`: what final accuracies are measured on, by variant; `leads`: as StudyAnalysis has them.
    """
    answers = []
    for variant, lead in leads.items():
        own = cells[cells["variant"] == variant]
        start = f"With {variant}: " if variant else ""
        first, *others = [*_on_the_best(splits[variant], lead), *_on_those_that_fail(own)]
        answers.append([start + first, *others])
    return answers


def _on_the_best(split: str, lead: Lead) -> Iterator[str]:
    if lead.best is None:
        yield "No activation learned with every seed at any rate."
    else:
        yield _headline(split, lead, lead.best)
        if not pd.isna(wins := lead.best.get("wins")):
            yield (
                f"It has the highest mean in {100 * wins:.0f} % of {RESAMPLES:,} "
                "resamples of seeds and test images."
            )
    if lead.second is not None and lead.difference is not None:
        yield _on_the_lead(lead.second, lead.difference)
        if lead.over_both is not None and not math.isnan(lead.over_both.low):
            yield _over_both_in_words(lead.over_both)
    if len(lead.passed_over):
        named = [_passed_over_in_words(cell) for cell in lead.passed_over.to_dict("records")]
        yield f"Not counted, as not every run learned: {join(named)}."


def _headline(split: str, lead: Lead, best: "pd.Series[float]") -> str:
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


def _passed_over_in_words(cell: Mapping[Any, Any]) -> str:
    where = f"{cell['activation']} at {rate_text(cell['lr'])}"
    mean = f"{100 * cell['final_mean']:.2f} %"
    return f"{where} (mean {mean} of the {cell['learned']} of {cell['runs']} runs that learned)"


def _on_the_lead(second: "pd.Series[float]", lead: Estimate) -> str:
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
    return f"{interval}{_undecided(low, high)}"


def _undecided(low: float, high: float) -> str:
    if low > 0:
        return ""
    return ": the next one is better" if high < 0 else ": either may be better"


def _over_both_in_words(lead: CrossedEstimate) -> str:
    interval = f"{100 * lead.low:+.2f} to {100 * lead.high:+.2f} points"
    return f"Over seeds and test images it is {interval}{_undecided(lead.low, lead.high)}."


def _on_those_that_fail(cells: pd.DataFrame) -> Iterator[str]:
    for outcome, words in (("failed", "Failed to learn"), ("diverged", "Diverged")):
        rows = cells[cells[outcome] > 0]
        if len(rows):
            which = [
                f"{name} at {join([_count(row, outcome) for row in own.to_dict('records')])}"
                for name, own in rows.groupby("activation", sort=False)
            ]
            yield f"{words}: {'; '.join(which)}."
    everywhere = [
        str(name)
        for name, own in cells.groupby("activation", sort=False)
        if not own[["failed", "diverged"]].any(axis=None)
    ]
    if len(everywhere) == cells["activation"].nunique():
        yield "Every run learned."
    elif everywhere:
        yield f"Only {join(everywhere)} learned with every seed at every rate."


def _count(row: Mapping[Any, Any], outcome: str) -> str:
    return f"{rate_text(row['lr'])} ({row[outcome]} of {row['runs']})"


def accuracy_in_words(cell: "pd.Series[float]") -> str:
    """`97.20 % (mean of 5 runs, 95 % t-interval over seeds 97.01 to 97.39 %)`."""
    mean = f"{100 * cell['final_mean']:.2f} %"
    if cell["n"] == 1:
        return f"{mean} (one run, so no interval)"
    if cell["final_sd"] == 0:
        return f"{mean} (all {cell['n']} runs are equal, so no interval)"
    low, high = 100 * cell["final_low"], 100 * cell["final_high"]
    return f"{mean} (mean of {cell['n']} runs, {INTERVAL} {low:.2f} to {high:.2f} %)"


def join(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
