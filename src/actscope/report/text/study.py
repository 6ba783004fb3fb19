"""What the numbers of a study say, in plain sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from actscope.analysis.labels import rate_text
from actscope.analysis.stats import Estimate, paired_difference


def answer(used: pd.DataFrame, cells: pd.DataFrame) -> list[list[str]]:
    """Sentences on each variant: what does best and by how much, what fails where."""
    answers = []
    for variant in dict.fromkeys(cells["variant"]):
        own = cells[cells["variant"] == variant]
        runs = used[used["variant"] == variant]
        start = f"With {variant}: " if variant else ""
        first, *others = [*_on_the_best(runs, own), *_on_those_that_fail(own)]
        answers.append([start + first, *others])
    return answers


def _on_the_best(runs: pd.DataFrame, cells: pd.DataFrame) -> Iterator[str]:
    """Of the cells in which every run learned: a mean over some of the seeds compares nothing."""
    learned = by_accuracy(cells)
    if learned.empty:
        yield "At no rate did any activation learn with every seed."
        return
    best_of_each = learned.drop_duplicates("activation")
    best = best_of_each.iloc[0]
    yield (
        f"{best['activation']} at lr = {rate_text(best['lr'])} does best, "
        f"with a final test accuracy of {accuracy_in_words(best)}."
    )
    if len(best_of_each) > 1:
        yield _on_the_lead(runs, best, best_of_each.iloc[1])


def by_accuracy(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells in which every run learned, the best first."""
    learned = cells[(cells["n"] > 0) & (cells["learned"] == cells["n"]) & (cells["diverged"] == 0)]
    return learned.sort_values("final_mean", ascending=False, kind="stable")


def _on_the_lead(runs: pd.DataFrame, best: "pd.Series[float]", second: "pd.Series[float]") -> str:
    lead = paired_difference(_finals(runs, best), _finals(runs, second))
    whom = f"the next activation, {second['activation']} at its best rate {rate_text(second['lr'])}"
    if lead.n == 0:
        return f"It shares no seed with {whom}: nothing is compared."
    size = f"{100 * float(lead.mean):.2f} points above {whom}"
    if lead.n == 1:
        return f"That is {size}; one shared seed tells nothing about chance."
    return f"That is {size}; {_verdict(lead)}."


def _verdict(lead: Estimate) -> str:
    low, high = 100 * float(lead.low), 100 * float(lead.high)
    interval = (
        f"paired over {lead.n} seeds, the 95 % t-interval is {low:+.2f} to {high:+.2f} points"
    )
    if low > 0:
        return interval
    return f"{interval}, so which of the two is better is open"


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
    total = sum(row[name] for name in ("learned", "failed", "diverged"))
    return f"{rate_text(row['lr'])} ({row[outcome]} of {total})"


def _finals(runs: pd.DataFrame, cell: "pd.Series[float]") -> "pd.Series[float]":
    own = (runs["activation"] == cell["activation"]) & (runs["lr"] == cell["lr"])
    return runs[own].set_index("seed")["final"]


def accuracy_in_words(cell: "pd.Series[float]") -> str:
    """`97.20 % (mean of 5 seeds, 95 % t-interval 97.01 to 97.39 %)`."""
    mean = f"{100 * cell['final_mean']:.2f} %"
    if cell["n"] == 1:
        return f"{mean} (one seed, so no interval)"
    low, high = 100 * cell["final_low"], 100 * cell["final_high"]
    return f"{mean} (mean of {cell['n']} seeds, 95 % t-interval {low:.2f} to {high:.2f} %)"


def join(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
