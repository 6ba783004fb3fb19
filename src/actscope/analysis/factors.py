"""The numeric settings that vary between the cells of a tuned study, such as depth and epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from actscope.analysis.labels import rank
from actscope.analysis.variants import known_texts
from actscope.analysis.varying import (
    DEPTH,
    WIDTH,
    is_number,
    value_of,
    variant_text,
    varying_settings,
)

# The factor that comes first is the horizontal axis of figures.
ORDER = (DEPTH, WIDTH, "data.train_size", "train.epochs", "train.batch_size")


@dataclass(frozen=True)
class Factors:
    """The names of the factors, as `model.depth`. Columns of tables have the same names."""

    names: tuple[str, ...] = ()

    @property
    def axis(self) -> str | None:
        """The factor that figures have on their horizontal axis; None where no number varies."""
        return self.names[0] if self.names else None

    @property
    def panel(self) -> list[str]:
        """The columns whose values name a panel of a figure."""
        return ["variant", *self.names[1:]]

    @property
    def settings(self) -> list[str]:
        """The columns that name a cell, without its activation."""
        return ["variant", *self.names]

    @property
    def cell(self) -> list[str]:
        """The columns that name a cell."""
        return [*self.settings, "activation"]


def find_factors(params: pd.DataFrame) -> tuple[Factors, pd.DataFrame]:
    """The factors, and of each run its values of them and of the other settings that vary.

    `params`: settings as text, by run id. The second has the same index and the columns
    `Factors.settings`; `variant` is a short text of the settings that vary and are no numbers.
    """
    known = known_texts(params)
    runs = list(known.values())
    varying = varying_settings(runs, by_width=True)
    numeric = [
        name
        for whose, name in varying
        if whose == "" and all(is_number(value_of(run, name)) for run in runs)
    ]
    factors = Factors(tuple(sorted(numeric, key=lambda name: rank(name, ORDER))))
    others = varying - {("", name) for name in numeric}
    settings = pd.DataFrame(
        {
            "variant": [variant_text(run, others) for run in runs],
            **{
                name: pd.to_numeric(pd.Series([value_of(run, name) for run in runs])).tolist()
                for name in factors.names
            },
        },
        index=pd.Index(list(known), name="run_id"),
    )
    return factors, settings


def short_name(name: str) -> str:
    """A setting without its group: `depth` of `model.depth`."""
    return name.rpartition(".")[2]


def setting_text(row: "Mapping[Any, Any] | pd.Series[Any]", names: Sequence[str]) -> str:
    """These columns of a row in words, as `depth = 8, epochs = 10`; '' if there is none."""
    texts = [
        str(row[name]) if name == "variant" else f"{short_name(name)} = {row[name]:g}"
        for name in names
    ]
    return ", ".join(text for text in texts if text)
