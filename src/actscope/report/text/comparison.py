"""Sentences that compare two studies."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from actscope.analysis import stats
from actscope.analysis.comparison import SIDES, Pair
from actscope.analysis.labels import rate_text
from actscope.analysis.lead_words import mean_in_words
from actscope.analysis.ranking import ranked_by, ranked_cells
from actscope.analysis.stats import INTERVAL, OUTCOMES
from actscope.report.text.study import join

SIGNIFICANT = 0.05
CHOSEN = {"final_mean": "on the test set itself", "validation_mean": "by validation"}


def answer(both: Pair) -> list[str]:
    """Sentences on which study is ahead, their settings, best cells and outcomes."""
    return [
        _on_the_lead(both),
        *_on_tests(both),
        *_on_the_largest(both),
        _on_settings(both.differing_settings),
        *_on_the_best(both),
        *_on_outcomes(both),
        *_on_lone_cells(both),
    ]


def _on_the_lead(both: Pair) -> str:
    shared = both.shared
    if shared.empty:
        return "The two studies share no activation at the same rate, so nothing is compared."
    known = shared[shared["low"].notna()]
    if known.empty:
        return (
            f"Both studies have {_cells(len(shared))}, but in no cell did both learn with two or "
            "more shared seeds that differ. So nothing is compared."
        )
    first, second = both.names
    ahead = [int((known["ahead"] == side).sum()) for side in SIDES]
    whole = "the only cell" if len(known) == 1 else f"{len(known)} cells"
    rest = len(known) - sum(ahead)
    undecided = f"; in {rest} either may be better" if rest else ""
    return (
        f"Of {whole} that can be compared, {first} is ahead in {ahead[0]} and {second} in "
        f"{ahead[1]}, by the {INTERVAL} of the paired difference{undecided}."
    )


def _on_tests(both: Pair) -> Iterator[str]:
    tests = both.cells["p_holm"].dropna()
    if len(tests) > 1:
        firm = int((tests < SIGNIFICANT).sum())
        yield (
            f"With Holm's correction over the {len(tests)} tests, {firm} "
            f"{'is' if firm == 1 else 'are'} significant at 5 %."
        )


def _on_the_largest(both: Pair) -> Iterator[str]:
    decided = both.cells[both.cells["ahead"] != ""]
    if decided.empty:
        return
    row = decided.sort_values("mean", key=abs, ascending=False, kind="stable").iloc[0]
    ahead, behind = both.names if row["ahead"] == "first" else both.names[::-1]
    metric = both.metric
    size = f"{metric.number(abs(float(row['mean'])))}{metric.difference_behind}"
    least, most = sorted(abs(float(row[name])) for name in ("low", "high"))
    where = "below" if metric.is_smallest_best else "above"
    yield (
        f"Of the cells in which one study is ahead, the largest difference is at "
        f"{cell_in_words(row)}: {ahead} is {size} {where} {behind} "
        f"({metric.number(least)} to {metric.number(most)}, {row['n']} seeds)."
    )


def _on_settings(differing: pd.DataFrame) -> str:
    if differing.empty:
        return "Their settings are the same."
    one = differing.iloc[0]
    if len(differing) == 1:
        return f"They differ in {one['setting']}: {one['first']} and {one['second']}."
    return f"They differ in {join(differing['setting'].tolist())}."


def _on_the_best(both: Pair) -> Iterator[str]:
    """Each study at its best cell, also where the studies share no cell."""
    best = []
    for study in both.studies:
        learned = ranked_cells(study.cells, both.metric)
        if learned.empty:
            yield f"In {study.study}, no cell learned with every seed."
        else:
            best.append((study.study, CHOSEN[ranked_by(study.cells)], learned.iloc[0]))
    said = [
        f"{name} has its {both.metric.best_word} mean {chosen} with {cell_in_words(cell)}: "
        f"{mean_in_words(cell, both.metric)}"
        for name, chosen, cell in best
    ]
    if said:
        yield f"Among cells in which every seed learned, {'; '.join(said)}."


def _on_outcomes(both: Pair) -> Iterator[str]:
    for row in both.outcomes.to_dict("records"):
        ended = stats.in_words({outcome: row[outcome] for outcome in OUTCOMES})
        yield f"Of the {row['runs']} runs of {row['study']}, {join(ended.split(', '))}."


def _on_lone_cells(both: Pair) -> Iterator[str]:
    counts = [(name, len(both.only(side))) for name, side in zip(both.names, SIDES, strict=True)]
    said = [f"{_cells(count)} only in {name}" for name, count in counts if count]
    if said:
        yield f"Not compared: {' and '.join(said)}."


def in_lines(cells: pd.DataFrame) -> list[str]:
    """Cells as lines: one for the activations of a variant that have the same rates."""
    lines: dict[tuple[str, str], list[str]] = {}
    for (variant, activation), rows in cells.groupby(["variant", "activation"], sort=False):
        rates = join([rate_text(lr) for lr in rows["lr"]])
        lines.setdefault((str(variant), rates), []).append(str(activation))
    return [
        f"{variant} {join(names)} at lr {rates}".strip()
        for (variant, rates), names in lines.items()
    ]


def cell_in_words(cell: "pd.Series[Any]") -> str:
    variant = f", {cell['variant']}" if cell["variant"] else ""
    return f"{cell['activation']} at lr = {rate_text(cell['lr'])}{variant}"


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"
