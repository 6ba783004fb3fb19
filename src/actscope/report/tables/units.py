"""The tables of the fates of units."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.unit_statistics import ALL_VALUES
from actscope.analysis.units import Units
from actscope.artifacts.unit_fates import FATES
from actscope.report.tables.files import DASH, Table, readable, share

UNIT_INTERVAL = "95 % interval over seeds by the effective number of units"


def tables_of(units: Units) -> list[Table]:
    """The tables of the section."""
    return [
        Table(
            "units",
            f"Units by fate: share of the units of n runs, with its {UNIT_INTERVAL}, median step "
            "at which it began, and revivals of dead units",
            units.by_layer,
            readable_by_layer(units.by_layer, units.axis),
        ),
        Table(
            "flat_against_truth",
            "How well a flat line shows a unit's fate: precision and recall over all units, each "
            f"with its {UNIT_INTERVAL}",
            units.confusion,
            readable_confusion(units.confusion, units.axis),
        ),
        Table(
            "swings",
            "Layer 1's flat units: share whose mean weight or bias was lower when they went flat "
            f"than at their first record, each with its {UNIT_INTERVAL}",
            units.swings,
            readable_swings(units.swings, units.axis),
        ),
    ]


def readable_by_layer(table: pd.DataFrame, axis: Axis = RATE) -> pd.DataFrame:
    """Units.by_layer in per cent and words."""
    rows = table.to_dict("records")
    columns = {
        axis.column: table[axis.column].map(axis.text),
        "layer": [_layer(row) for row in rows],
        "n": table["n"],
        **{f"{fate}, %": [share(row, fate) for row in rows] for fate in FATES},
        **{f"{fate} since step": [onset_text(row, fate) for row in rows] for fate in FATES},
        "revivals": [DASH if row["is_output"] else f"{row['revivals']:.0f}" for row in rows],
    }
    return readable(table, axis.cell, columns)


def _layer(row: Mapping[Hashable, Any]) -> str:
    name = str(row.get("layer_name", ""))
    output = "output" if row["is_output"] and name != "output" else ""
    return ", ".join(part for part in (str(row["layer"]), name, output) if part)


def readable_confusion(table: pd.DataFrame, axis: Axis = RATE) -> pd.DataFrame:
    """Units.confusion in per cent and words."""
    rows = table.to_dict("records")
    columns: dict[str, Any] = {
        "flat against": table["truth"],
        axis.column: table[axis.column],
        "both": table["tp"],
        "flat only": table["fp"],
        "true only": table["fn"],
        "neither": table["tn"],
    }
    for measure, none in (("precision", "no unit is flat"), ("recall", "no unit is {truth}")):
        texts = [none.format(truth=row["truth"]) for row in rows]
        columns |= _share_texts(rows, measure, texts)
    return readable(table, ["variant", "layers"], columns)


def readable_swings(table: pd.DataFrame, axis: Axis = RATE) -> pd.DataFrame:
    """Units.swings in per cent and words, for cells in which a unit went flat, and overall."""
    shown = table[(table["flat"] > 0) | (table["activation"] == ALL_VALUES)]
    rows = shown.to_dict("records")
    none = ["no movement is recorded"] * len(rows)
    columns = {
        "flat units": shown["flat"],
        "flat from the start": shown["from_start"],
        **_share_texts(rows, "weight", none, "weight went down"),
        **_share_texts(rows, "bias", none, "bias went down"),
    }
    return readable(shown, axis.cell, columns)


def onset_text(row: dict[Any, Any], fate: str) -> str:
    if np.isnan(row[fate]):
        return DASH
    onset = row[f"{fate}_onset"]
    return "never" if np.isnan(onset) else f"{onset:.0f}"


def _share_texts(
    rows: list[dict[Any, Any]], measure: str, none: list[str], heading: str = ""
) -> dict[str, list[str]]:
    """A share, and the seeds that it is over; `none`: the reason if a share is undefined."""
    heading = heading or measure
    shares = [
        f"undefined: {reason}" if np.isnan(row[measure]) else share(row, measure)
        for row, reason in zip(rows, none, strict=True)
    ]
    return {
        f"{heading}, %": shares,
        f"{heading}: seeds": [str(row[f"{measure}_seeds"]) for row in rows],
    }
