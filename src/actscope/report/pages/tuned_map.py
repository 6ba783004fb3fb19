"""The map of a tuned study: the metric of each activation at the values of the axis."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from actscope.analysis.factors import Factors, setting_text, short_name
from actscope.analysis.labels import BEST_SIGN, OUTCOME_SIGNS
from actscope.metric import ACCURACY, Metric
from actscope.report.tables.files import DASH

LOST = OUTCOME_SIGNS["failed"]


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


def _shown(cell: Mapping[Any, Any], best: float, metric: Metric) -> dict[str, Any]:
    is_judged, is_best = pd.notna(cell["mean"]), cell["mean"] == best
    lost = 0 if pd.isna(cell["lost"]) else int(cell["lost"])
    told = [
        *([f"{BEST_SIGN} best"] if is_best else []),
        *([f"{LOST} {lost} of {cell['runs']:.0f} lost"] if lost else []),
        *([f"{LOST} {cell['flag']}"] if cell["flag"] else []),
    ]
    return {
        "number": metric.number(cell["mean"]) or DASH,
        "told": ", ".join(told),
        "tone": "bad" if not is_judged else "mixed" if lost else "best" if is_best else "",
        "behind": "",
    }
