"""Variants: runs that differ in settings other than activation, rate and seed."""

from collections.abc import Set

import pandas as pd

from actscope.analysis.logged_settings import OWN

# Settings that make no variant: they name the point, or cannot change a number.
NOT_A_VARIANT = {"study", "activation", "lr", "seed", "data.root"}

UNSET = "unset"  # the text of a setting that a run does not have


def describe_variants(params: pd.DataFrame) -> "pd.Series[str]":
    """Short text of the settings that vary between the runs, besides activation, rate and seed.

    An activation's own settings vary if runs of that activation differ in them. '' if none varies.
    """
    return variant_texts(params, varying_settings(params))


def varying_settings(params: pd.DataFrame) -> set[tuple[str, str]]:
    """The settings that vary, as (activation whose own it is or '', setting)."""
    known = _known(params)
    shared = {key for key in known.columns if not is_own(key)} - NOT_A_VARIANT
    varying = {("", key) for key in shared if len(set(known[key])) > 1}
    own = [key for key in known.columns if is_own(key)]
    for activation, rows in known[own].groupby(known["activation"]):
        varying |= {(str(activation), key) for key in rows.columns if len(set(rows[key])) > 1}
    return varying


def variant_texts(params: pd.DataFrame, varying: Set[tuple[str, str]]) -> "pd.Series[str]":
    """Short text of these settings of each run; `varying`: of `varying_settings`."""
    known = _known(params).to_dict("index")
    texts = {
        run_id: " ".join(
            f"{key}={row.get(key, UNSET).replace(' ', '')}"
            for activation, key in sorted(varying)
            if activation in ("", row["activation"])
        )
        for run_id, row in known.items()
    }
    return pd.Series([texts.get(run_id, "") for run_id in params.index], params.index, dtype="str")


def is_own(setting: str) -> bool:
    """Whether a setting belongs to an activation."""
    return setting.startswith(OWN)


def _known(params: pd.DataFrame) -> pd.DataFrame:
    return params[params["activation"].notna()].fillna(UNSET)
