"""The tables of a page that show the metric of every activation along the axis."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.factors import Factors, setting_text, short_name
from actscope.analysis.labels import BEST_SIGN, OUTCOME_SIGNS
from actscope.analysis.ranking import ranked_by, ranked_cells
from actscope.analysis.stats import is_mixed
from actscope.metric import ACCURACY, Metric
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


# --- of a tuned study ----------------------------------------------------------------------------


def tuned_map(
    choices: pd.DataFrame, judged: pd.DataFrame, factors: Factors, metric: Metric = ACCURACY
) -> dict[str, Any] | None:
    """The cells of the last panel, as pages.overview has those of a variant; None without cells.

    The best is the best mean at a value of the axis. A cell that is not judged tells why.
    `choices`, `judged`: of a TunedStudy.
    """
    panels = [own for _, own in choices.groupby(factors.panel, sort=False)]
    if not panels:
        return None
    chosen = judged[judged["rate"] == "chosen"]
    measured = chosen[[*factors.cell, "runs", "lost", "mean"]]
    cells = panels[-1][[*factors.cell, "flag"]].merge(measured, how="left", on=factors.cell)
    values = [None] if factors.axis is None else sorted(set(cells[factors.axis]))
    columns = [_column(cells, factors, value, metric) for value in values]
    return {
        "variant": setting_text(cells.iloc[0], factors.panel),
        "of": "activation" if factors.axis is None else short_name(factors.axis),
        "heads": ["tuned" if value is None else f"{value:g}" for value in values],
        "rows": [
            (name, [column.get(name) for column in columns])
            for name in dict.fromkeys(cells["activation"])
        ],
    }


def _column(
    cells: pd.DataFrame, factors: Factors, value: float | None, metric: Metric
) -> dict[str, dict[str, Any]]:
    """What the map shows at a value of the axis, by activation."""
    own = cells if factors.axis is None else cells[cells[factors.axis] == value]
    # NaN, which equals nothing, if there is none.
    best = own["mean"].agg(metric.direction)
    return {row["activation"]: _shown(row, best, metric) for row in own.to_dict("records")}


def _shown(cell: Row, best: float, metric: Metric) -> dict[str, Any]:
    is_judged, is_best = pd.notna(cell["mean"]), cell["mean"] == best
    lost: int = 0 if pd.isna(cell["lost"]) else int(cell["lost"])
    sign = OUTCOME_SIGNS["failed"]
    told = [
        *([f"{BEST_SIGN} best"] if is_best else []),
        *([f"{sign} {lost} of {cell['runs']:.0f} lost"] if lost else []),
        *([f"{sign} {cell['flag']}"] if cell["flag"] else []),
    ]
    return {
        "number": metric.number(cell["mean"]) or files.DASH,
        "told": ", ".join(told),
        "tone": "bad" if not is_judged else "mixed" if lost else "best" if is_best else "",
        "behind": "",
    }
