"""The variants of a grid, before its points have runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from actscope.analysis.variants import describe_variants, varying_settings


def variants_of(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The variant of each point, from its flat settings."""
    return describe_variants(_as_logged(settings)).tolist()


def varying_values(settings: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The number of values of each setting that makes variants, by its name."""
    logged = _as_logged(settings)
    names = sorted({name for _, name in varying_settings(logged)})
    return {name: logged[name].nunique() for name in names}


def _as_logged(settings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Settings as the parameters of runs store them."""
    return pd.DataFrame([{name: str(value) for name, value in own.items()} for own in settings])
