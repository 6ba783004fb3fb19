"""Names and order of rates, activations and variants in tables and figures."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the progress of a sweep needs no tables
    import pandas as pd

# Shipped activations in the order of every table and figure: the article's first.
SHIPPED = (
    *("relu", "leaky_relu", "elu", "selu", "bn_relu"),
    *("gelu", "silu", "mish", "celu", "softplus", "tanh", "sigmoid", "hardswish", "prelu"),
)

# Of a cell: the best one, and the outcomes of runs that did not learn.
BEST_SIGN = "★"
OUTCOME_SIGNS: Mapping[str, str] = {"failed": "✗", "diverged": "!"}


def natural(text: str) -> tuple[tuple[int, float, str], ...]:
    """Sort key that puts `epochs=5` before `epochs=50`, and both before `epochs=x`."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", text)
    return tuple((0, float(p), "") if p[:1].isdigit() else (1, 0.0, p) for p in parts)


def rate_text(lr: float) -> str:
    """A rate with all its digits, as in the names of runs."""
    return str(float(lr)).removesuffix(".0")


def number_range(numbers: "pd.Series[int]") -> str:
    """The smallest and the largest number: `10`, or `3 to 10`."""
    low, high = numbers.min(), numbers.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def activation_order(names: Iterable[str]) -> list[str]:
    """Each name once: shipped ones in their own order, then the others by name."""
    return sorted(set(names), key=rank)


def sort_key(column: "pd.Series[str]") -> "pd.Series[int]":
    """Sort key of pandas for columns of points: activations and other texts in their order."""
    if column.name == "run_id" or column.dtype != "str":
        return column  # type: ignore[return-value]
    key = rank if column.name == "activation" else natural
    ranks = {text: place for place, text in enumerate(sorted(set(column), key=key))}
    return column.map(ranks)


def rank(name: str, order: Sequence[str] = SHIPPED) -> tuple[int, str]:
    """Sort key that puts the names in this order first, and the others behind them by name."""
    return (order.index(name), "") if name in order else (len(order), name)
