"""Variants: runs that differ in settings other than activation, rate (or another axis), seed."""

from collections.abc import Set

import pandas as pd

from actscope.analysis import varying as of_texts
from actscope.analysis.varying import LEARNING_RATE, Texts, variant_text


def describe_variants(params: pd.DataFrame, axis: str = LEARNING_RATE) -> "pd.Series[str]":
    """Short text of the settings that vary between the runs, besides activation, axis and seed.

    An activation's own settings vary if runs of that activation differ in them. '' if none varies.
    """
    return variant_texts(params, varying_settings(params, axis))


def varying_settings(params: pd.DataFrame, axis: str = LEARNING_RATE) -> set[tuple[str, str]]:
    """The settings that vary, as (activation whose own it is or '', setting)."""
    return of_texts.varying_settings(list(known_texts(params).values()), axis)


def variant_texts(params: pd.DataFrame, varying: Set[tuple[str, str]]) -> "pd.Series[str]":
    """Short text of these settings of each run; `varying`: of `varying_settings`."""
    texts = {run_id: variant_text(run, varying) for run_id, run in known_texts(params).items()}
    return pd.Series([texts.get(run_id, "") for run_id in params.index], params.index, dtype="str")


def known_texts(params: pd.DataFrame) -> dict[object, Texts]:
    """The texts of the settings of each run whose activation is known."""
    rows = params[params["activation"].notna()].to_dict("index")
    return {
        run_id: {str(name): text for name, text in row.items() if isinstance(text, str)}
        for run_id, row in rows.items()
    }
