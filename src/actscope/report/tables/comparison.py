"""The tables of a comparison of two studies."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from actscope.analysis import comparison
from actscope.analysis.axis import RATE
from actscope.analysis.comparison import SIDES, Pair
from actscope.analysis.labels import rate_text
from actscope.analysis.stats import INTERVAL
from actscope.metric import Metric
from actscope.report.tables.files import DASH, Table, interval, readable
from actscope.report.tables.study import differences_over_both, readable_differences

SHORT = 16  # letters of a digest that are shown

Row = Mapping[Any, Any]


def tables_of(both: Pair) -> list[Table]:
    differing = both.differing_settings
    ended = both.outcomes
    return [
        Table("settings", "Settings that differ", differing, readable_settings(differing, both)),
        Table("outcomes", "How the runs ended", ended, ended),
        Table(
            "cells",
            "All cells with standard deviations, tests and outcomes",
            both.cells,
            readable_cells(both),
        ),
    ]


def readable_settings(differing: pd.DataFrame, both: Pair) -> pd.DataFrame:
    """`comparison.differing_settings` with the studies' names, and shortened digests."""
    is_digest = differing["setting"].isin(comparison.ORIGINS.values())
    columns = {
        name: differing[side].mask(is_digest, differing[side].map(_cut_short))
        for side, name in zip(SIDES, both.names, strict=True)
    }
    return pd.DataFrame({"setting": differing["setting"], **columns})


def _cut_short(digests: str) -> str:
    return ", ".join(f"{digest[:SHORT]}…" for digest in digests.split(", "))


def readable_cells(both: Pair) -> pd.DataFrame:
    """`Pair.cells` as it is shown; each study's columns begin with its name."""
    cells, metric = both.cells, both.metric
    columns: dict[str, Any] = {"lr": [rate_text(lr) for lr in cells["lr"]]}
    for side, name in zip(SIDES, both.names, strict=True):
        rows = [of_side(row, side) for row in cells.to_dict("records")]
        columns |= {
            f"{name}: {heading}": [DASH if row is None else show(row) for row in rows]
            for heading, show in _shown(metric).items()
        }
    columns["first - second"] = " - ".join(both.names)
    columns["seeds with which both learned"] = cells["n"]
    columns |= readable_differences(cells, metric)
    columns |= differences_over_both(cells, metric)
    return readable(cells, RATE.cell, columns)


def _shown(metric: Metric) -> dict[str, Callable[[Row], str]]:
    """What the table has of a cell of one study, by the heading of its column."""
    return {
        "n": lambda row: str(row["n"]),
        metric.heading("mean"): lambda row: metric.number(row["final_mean"]),
        "sd": lambda row: metric.number(row["final_sd"]),
        INTERVAL: lambda row: interval(row, metric),
        "outcomes": lambda row: str(row["outcomes"]),
    }


def of_side(row: Row, side: str) -> Row | None:
    """The columns of one study in a row of `Pair.cells`, as in stats.summarise; None: no cell."""
    if pd.isna(row[f"{side}_n"]):
        return None
    measured = {name: row[f"{side}_{name}"] for name in comparison.MEASURED}
    return {name: row[name] for name in RATE.cell} | measured
