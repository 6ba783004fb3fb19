"""The variants of a grid, before its points have runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from actscope.analysis.varying import Texts, value_of, variant_text, varying_settings


def variants_of(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The variant of each point, from its flat settings."""
    logged = _as_logged(settings)
    varying = varying_settings(logged)
    return [variant_text(each, varying) for each in logged]


def varying_values(settings: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The number of values of each setting that makes variants, by its name."""
    logged = _as_logged(settings)
    names = sorted({name for _, name in varying_settings(logged)})
    return {name: len({value_of(each, name) for each in logged}) for name in names}


def _as_logged(settings: Sequence[Mapping[str, Any]]) -> list[Texts]:
    """Settings as the parameters of runs store them."""
    return [{name: str(value) for name, value in own.items()} for own in settings]
