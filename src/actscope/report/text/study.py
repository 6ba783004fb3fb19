"""Sentences about the metric and outcomes of a study."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.lead_words import distance_to_next, headline, undecided
from actscope.analysis.ranking import Lead
from actscope.analysis.seeds_and_examples import RESAMPLES, CrossedEstimate
from actscope.metric import ACCURACY, Metric


def answer(
    splits: Mapping[str, str],
    cells: pd.DataFrame,
    leads: Mapping[str, Lead],
    metric: Metric = ACCURACY,
    axis: Axis = RATE,
) -> list[list[str]]:
    """Sentences on each variant: which cell is best and by how much, and which runs fail.

    `splits`: what final values are measured on, by variant; `leads`: as StudyAnalysis has them.
    """
    answers = []
    for variant, lead in leads.items():
        own = cells[cells["variant"] == variant]
        start = f"With {variant}: " if variant else ""
        best = _on_the_best(splits[variant], lead, metric, axis)
        first, *others = [*best, *_on_those_that_fail(own, axis)]
        answers.append([start + first, *others])
    return answers


def _on_the_best(split: str, lead: Lead, metric: Metric, axis: Axis) -> Iterator[str]:
    if lead.best is None:
        yield f"No activation learned with every seed at any {axis.one}."
    else:
        yield headline(split, lead, lead.best, metric, axis)
        if not pd.isna(wins := lead.best.get("wins")):
            yield (
                f"It has the highest mean in {100 * wins:.0f} % of {RESAMPLES:,} "
                "resamples of seeds and test examples."
            )
    if lead.second is not None and lead.difference is not None:
        yield distance_to_next(lead.second, lead.difference, metric, axis)
        if lead.over_both is not None and not math.isnan(lead.over_both.low):
            yield _over_both_in_words(lead.over_both, metric)
    if len(lead.passed_over):
        cells = lead.passed_over.to_dict("records")
        named = [_passed_over_in_words(cell, metric, axis) for cell in cells]
        yield f"Not counted, as not every run learned: {join(named)}."


def _passed_over_in_words(cell: Mapping[Any, Any], metric: Metric, axis: Axis) -> str:
    where = f"{cell['activation']} at {axis.at(axis.text(cell[axis.column]))}"
    mean = metric.show(cell["final_mean"])
    return f"{where} (mean {mean} of the {cell['learned']} of {cell['runs']} runs that learned)"


def _over_both_in_words(lead: CrossedEstimate, metric: Metric) -> str:
    ends = f"{metric.signed(lead.low)} to {metric.signed(lead.high)}{metric.difference_behind}"
    return f"Over seeds and test examples it is {ends}{undecided(lead.low, lead.high, metric)}."


def _on_those_that_fail(cells: pd.DataFrame, axis: Axis) -> Iterator[str]:
    for outcome, words in (("failed", "Failed to learn"), ("diverged", "Diverged")):
        rows = cells[cells[outcome] > 0]
        if len(rows):
            which = [
                f"{name} at {axis.at(_counts(own, outcome, axis))}"
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
        yield f"Only {join(everywhere)} learned with every seed at every {axis.one}."


def _counts(cells: pd.DataFrame, outcome: str, axis: Axis) -> str:
    """`0.01 (2 of 5) and 0.1 (5 of 5)`."""
    return join(
        [
            f"{axis.text(row[axis.column])} ({row[outcome]} of {row['runs']})"
            for row in cells.to_dict("records")
        ]
    )


def join(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
