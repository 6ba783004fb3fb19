"""The tables of the edge of trainability."""

from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.axis import RATE
from actscope.analysis.labels import rate_text
from actscope.analysis.stats import OUTCOMES
from actscope.report.tables import files
from actscope.report.tables.files import DASH, Table, share


def tables_of(outcomes: pd.DataFrame, found: pd.DataFrame) -> list[Table]:
    """The tables of the section, from `outcome_shares` and `edges`."""
    rows = outcomes.to_dict("records")
    columns = {f"{name}, %": [share(row, name) for row in rows] for name in OUTCOMES}
    columns["lr"] = [rate_text(lr) for lr in outcomes["lr"]]
    shares = files.readable(outcomes, [*RATE.cell, "runs"], columns)
    return [
        Table(
            "edge",
            "Largest rate at which each activation learns",
            found,
            readable(found),
            is_folded=False,
        ),
        Table(
            "outcomes",
            "Share of each outcome by activation and rate, with its exact 95 % interval over seeds",
            outcomes,
            shares,
        ),
    ]


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """`edges` in words."""
    rows = found.to_dict("records")
    columns = {
        "learns up to": [_edge_text(row, "everywhere_up_to") for row in rows],
        "largest rate that learns": [_edge_text(row, "largest") for row in rows],
        "fails below it at": [gaps or DASH for gaps in found["gaps"]],
        "rates": found["rates"],
        "fewest runs at a rate": found["fewest_runs"],
    }
    return files.readable(found, ["variant", "activation"], columns)


def _edge_text(row: dict[Any, Any], which: str) -> str:
    lr = row[which]
    if np.isnan(lr):
        smallest = rate_text(row["first"])
        return "no rate" if which == "largest" else f"fails at the smallest, {smallest}"
    return f"{rate_text(lr)}, the largest of the sweep" if lr == row["last"] else rate_text(lr)
