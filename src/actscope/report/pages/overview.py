"""The table of a page that shows the final metric of every activation at every rate."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from actscope.analysis.labels import BEST_SIGN, OUTCOME_SIGNS, rate_text
from actscope.analysis.ranking import ranked_by, ranked_cells
from actscope.analysis.stats import is_mixed
from actscope.report.pages.run_list import Row, RunList
from actscope.report.tables import files

ShowCell = Callable[[Row], dict[str, Any]]


def overviews(
    cells: pd.DataFrame, show_in: Callable[[pd.DataFrame], ShowCell]
) -> list[dict[str, Any]]:
    """For each variant a table activation x rate; cells are None where there is no run.

    `heads`: of the columns; `of`: what they are values of.

    `show_in` returns, for the cells of a variant, the function that makes what the page shows of
    each.
    """
    shown = []
    for variant, own in cells.groupby("variant", sort=False):
        show, rates = show_in(own), sorted(set(own["lr"]))
        found = {(row["activation"], row["lr"]): show(row) for row in own.to_dict("records")}
        rows = [
            (name, [found.get((name, lr)) for lr in rates])
            for name in dict.fromkeys(own["activation"])
        ]
        heads = [rate_text(lr) for lr in rates]
        shown.append({"variant": variant, "of": "learning rate", "heads": heads, "rows": rows})
    return shown


def show_best(run_list: RunList, cells: pd.DataFrame) -> ShowCell:
    """Shows a cell, with its tone: best, mixed, bad where no run learned, or none of these.

    `is_best` and `told`: what became of its runs, with a sign, where not all of them learned.
    """
    by, ranked = ranked_by(cells), ranked_cells(cells, run_list.runs.metric)
    best = ranked[by].iloc[0] if len(ranked) else None  # which equals nothing

    def show(cell: Row) -> dict[str, Any]:
        shown = show_mean(cell, run_list)
        told = f"{BEST_SIGN} best" if cell[by] == best else shown["trouble"]
        tone = shown["tone"] or ("best" if cell[by] == best else "")
        return {**shown, "tone": tone, "told": told}

    return show


def show_mean(cell: Row, run_list: RunList) -> dict[str, Any]:
    """The final metric of a cell as the page shows it, and the address of its runs."""
    metric, mean = run_list.runs.metric, cell["final_mean"]
    all_learned = cell["learned"] == cell["runs"]
    interval = files.interval(cell, metric).replace("none:", "no interval:")
    return {
        "number": metric.number(mean) or files.DASH,
        "mean": metric.show(mean) if cell["n"] > 0 else "none learned",
        "interval": f"{interval}; n = {cell['n']}" if cell["n"] > 0 else "",
        "over_both": files.over_both(cell, metric.number),
        "trouble": trouble(cell),
        "tone": "mixed" if is_mixed(cell) else "" if all_learned else "bad",
        "behind": run_list.behind(cell),
    }


def trouble(cell: Row) -> str:
    """How many runs of a cell failed or diverged, each with its sign: `✗ 4 of 5 failed`."""
    told = [
        f"{sign} {cell[outcome]} of {cell['runs']} {outcome}"
        for outcome, sign in OUTCOME_SIGNS.items()
        if cell[outcome]
    ]
    return ", ".join(told)
