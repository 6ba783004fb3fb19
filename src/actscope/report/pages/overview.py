"""The table of a page that shows the final metric of every activation along the axis."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.labels import BEST_SIGN, OUTCOME_SIGNS
from actscope.analysis.ranking import ranked_by, ranked_cells
from actscope.analysis.stats import is_mixed
from actscope.report.pages.run_list import Row, RunList
from actscope.report.tables import files

ShowCell = Callable[[Row], dict[str, Any]]


def overviews(
    cells: pd.DataFrame, show_in: Callable[[pd.DataFrame], ShowCell], axis: Axis = RATE
) -> list[dict[str, Any]]:
    """For each variant a table activation x axis; cells are None where there is no run.

    `heads`: the values of the columns; `places`: the same as `lr = 0.1`; `of`: the axis.

    `show_in` returns, for the cells of a variant, the function that makes what the page shows of
    each.
    """
    shown = []
    for variant, own in cells.groupby("variant", sort=False):
        show, values = show_in(own), axis.ordered(own[axis.column])
        records = own.to_dict("records")
        found = {(row["activation"], row[axis.column]): show(row) for row in records}
        rows = [
            (name, [found.get((name, value)) for value in values])
            for name in dict.fromkeys(own["activation"])
        ]
        heads, places = [axis.text(v) for v in values], [axis.equals(v) for v in values]
        about = {"variant": variant, "of": axis.label, "heads": heads, "places": places}
        shown.append({**about, "rows": rows})
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
