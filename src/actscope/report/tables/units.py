"""The tables of the fates of units."""

from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.labels import rate_text
from actscope.analysis.unit_statistics import ALL_RATES
from actscope.analysis.units import Units
from actscope.artifacts.unit_fates import FATES
from actscope.report.tables.files import DASH, Table, without_empty_variant


def tables_of(units: Units) -> list[Table]:
    """The tables of the section."""
    return [
        Table(
            "units",
            "Units by fate: share (mean over runs, with its 95 % t-interval), median step at which "
            "it began, and revivals of dead units",
            units.by_layer,
            readable_by_layer(units.by_layer),
        ),
        Table(
            "flat_against_truth",
            "How well a flat line shows a unit's fate: precision and recall, over all units "
            "(Wilson's 95 % interval) and as a mean over runs (95 % t-interval)",
            units.confusion,
            readable_confusion(units.confusion),
        ),
        Table(
            "swings",
            "Layer 1's flat units: share whose mean weight or bias was lower when they went flat "
            "than at their first record, over all units and as a mean over runs",
            units.swings,
            readable_swings(units.swings),
        ),
    ]


def readable_by_layer(table: pd.DataFrame) -> pd.DataFrame:
    """Units.by_layer in per cent and words."""
    columns: dict[str, Any] = _named(table)
    columns["layer"] = [
        f"{layer}, output" if is_output else str(layer)
        for layer, is_output in zip(table["layer"], table["is_output"], strict=True)
    ]
    columns["n"] = table["n"]
    rows = table.to_dict("records")
    for fate in FATES:
        columns[f"{fate}, %"] = [share_with_interval(row, fate) for row in rows]
    for fate in FATES:
        columns[f"{fate} since step"] = [onset_text(row, fate) for row in rows]
    columns["revivals"] = [DASH if row["is_output"] else f"{row['revivals']:.0f}" for row in rows]
    return without_empty_variant(pd.DataFrame(columns))


def readable_confusion(table: pd.DataFrame) -> pd.DataFrame:
    """Units.confusion in per cent and words."""
    rows = table.to_dict("records")
    columns: dict[str, Any] = {
        "variant": table["variant"],
        "layers": table["layers"],
        "flat against": table["truth"],
        "lr": table["lr"],
        "both": table["tp"],
        "flat only": table["fp"],
        "true only": table["fn"],
        "neither": table["tn"],
    }
    for measure, none in (("precision", "no unit is flat"), ("recall", "no unit is {truth}")):
        texts = [none.format(truth=row["truth"]) for row in rows]
        columns |= _proportion_texts(rows, measure, texts)
    return without_empty_variant(pd.DataFrame(columns))


def readable_swings(table: pd.DataFrame) -> pd.DataFrame:
    """Units.swings in per cent and words, for cells in which a unit went flat, and overall."""
    shown = table[(table["flat"] > 0) | (table["activation"] == ALL_RATES)]
    rows = shown.to_dict("records")
    columns: dict[str, Any] = {
        "variant": shown["variant"],
        "activation": shown["activation"],
        "lr": shown["lr"],
        "flat units": shown["flat"],
        "flat from the start": shown["from_start"],
    }
    for measure in ("weight", "bias"):
        columns |= _proportion_texts(rows, measure, ["no movement is recorded"] * len(rows))
    columns = {
        name.replace("weight", "weight went down").replace("bias", "bias went down"): column
        for name, column in columns.items()
    }
    return without_empty_variant(pd.DataFrame(columns))


def share_with_interval(row: dict[Any, Any], fate: str) -> str:
    """`12.5 (10.1 to 14.9)`."""
    mean = row[f"{fate}_mean"]
    if np.isnan(mean):
        return DASH
    low, high = row[f"{fate}_low"], row[f"{fate}_high"]
    interval = f" ({100 * low:.1f} to {100 * high:.1f})" if row["n"] > 1 else ""
    return f"{100 * mean:.1f}{interval}"


def onset_text(row: dict[Any, Any], fate: str) -> str:
    if np.isnan(row[f"{fate}_mean"]):
        return DASH
    onset = row[f"{fate}_onset"]
    return "never" if np.isnan(onset) else f"{onset:.0f}"


def _proportion_texts(
    rows: list[dict[Any, Any]], measure: str, none: list[str]
) -> dict[str, list[str]]:
    """Two columns, over all units and by run; `none`: the reason if a proportion is undefined."""
    pooled, by_run = [], []
    for row, reason in zip(rows, none, strict=True):
        if np.isnan(row[measure]):
            pooled.append(f"undefined: {reason}")
            by_run.append("")
            continue
        low, high = row[f"{measure}_low"], row[f"{measure}_high"]
        pooled.append(f"{100 * row[measure]:.1f} ({100 * low:.1f} to {100 * high:.1f})")
        mean, runs = f"{100 * row[f'{measure}_runs_mean']:.1f}", row[f"{measure}_runs"]
        low, high = row[f"{measure}_runs_low"], row[f"{measure}_runs_high"]
        interval = f" ({100 * low:.1f} to {100 * high:.1f})" if runs > 1 else ""
        by_run.append(f"{mean}{interval}, n = {runs}")
    return {f"{measure}, %": pooled, f"{measure}, by run, %": by_run}


def _named(table: pd.DataFrame) -> dict[str, Any]:
    return {
        "variant": table["variant"],
        "activation": table["activation"],
        "lr": [rate_text(lr) for lr in table["lr"]],
    }
