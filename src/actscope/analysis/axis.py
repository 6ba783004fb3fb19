"""The second axis of a study's tables and figures, besides the activation.

It is the learning rate, or any other setting that varies between the runs. Then the rate is one of
the settings that make variants.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.factors import short_name
from actscope.analysis.labels import natural, rate_text
from actscope.analysis.variants import known_texts
from actscope.analysis.varying import (
    DEPTH,
    HIDDEN,
    LEARNING_RATE,
    WIDTH,
    is_number,
    value_of,
    varying_settings,
)
from actscope.errors import ConfigError

WHOLE = r"-?\d{1,15}"
NOT_AN_AXIS = {"data.test"}  # a table has no values of the test next to those of validation
MOST_PANELS = 5  # where an axis has too many values for a panel each; also the labels of an axis


@dataclass(frozen=True)
class Axis:
    """A setting whose values are next to the activations in tables and figures.

    `dtype`: that of its values in tables of pandas: `float`, `Int64`, or `str` for categories.
    """

    setting: str = LEARNING_RATE
    dtype: str = "float"

    @property
    def is_rate(self) -> bool:
        return self.setting == LEARNING_RATE

    @property
    def is_numeric(self) -> bool:
        return self.dtype != "str"

    @property
    def column(self) -> str:
        """The column of its values in tables."""
        # In tables of runs `data` is the digest of the data.
        return "data.name" if self.setting == "data" else self.setting

    @property
    def cell(self) -> list[str]:
        """The columns that name a cell, which is never averaged over."""
        return ["variant", "activation", self.column]

    @property
    def point(self) -> list[str]:
        """The columns that name a point."""
        return [*self.cell, "seed"]

    @property
    def label(self) -> str:
        """`learning rate`, or `batch size` for `train.batch_size`."""
        words = short_name(self.setting).replace("_", " ").strip()
        return "learning rate" if self.is_rate else words

    @property
    def name(self) -> str:
        """The same within a sentence: `rate`, or `batch size`."""
        return "rate" if self.is_rate else self.label

    @property
    def slug(self) -> str:
        """The same in the name of a file: `rate`, or `batch_size`."""
        return re.sub(r"\W+", "_", self.name)

    @property
    def one(self) -> str:
        """One of its values in words: `rate`, or `value of batch size`."""
        return "rate" if self.is_rate else f"value of {self.label}"

    @property
    def several(self) -> str:
        """Several of its values in words: `rates`, or `values of batch size`."""
        return "rates" if self.is_rate else f"values of {self.label}"

    @property
    def symbol(self) -> str:
        """The same before an equals sign: `lr`, or `batch size`."""
        return self.setting if self.is_rate else self.label

    def text(self, value: Any) -> str:
        """A value with all its digits, as in the names of runs."""
        return rate_text(value) if self.is_numeric else str(value)

    def equals(self, value: Any) -> str:
        """`lr = 0.1`, or `batch size = 100`."""
        return f"{self.symbol} = {self.text(value)}"

    def at(self, texts: str) -> str:
        """Values in words, `0.1` or `batch size = 100`: only a rate is known by its number."""
        return texts if self.is_rate else f"{self.symbol} = {texts}"

    def ordered(self, values: Iterable[Any]) -> list[Any]:
        """Each value once, in order."""
        return sorted(set(values), key=None if self.is_numeric else natural)

    def shown(self, values: Iterable[Any]) -> list[Any]:
        """The values that figures with a panel for each show: all, or five from end to end."""
        every = self.ordered(values)
        places = np.linspace(0, len(every) - 1, min(len(every), MOST_PANELS)).round().astype(int)
        return [every[place] for place in places]

    def read(self, params: pd.DataFrame) -> "pd.Series[Any]":
        """Its value in each run; NaN or '' where there is none. `params`: settings as text."""
        texts = _texts(params, self.setting).reindex(params.index)
        if not self.is_numeric:
            return texts.fillna("").astype("str")
        if self.dtype == "Int64":
            whole = texts.where(texts.str.fullmatch(WHOLE, na=False))
            return pd.to_numeric(whole).astype("Int64")
        return pd.to_numeric(texts, errors="coerce").astype(float)


RATE = Axis()


def axis_of(setting: str, params: pd.DataFrame) -> Axis:
    """The axis of a setting: numbers if all runs have one. `params`: valid settings, as text."""
    if setting == LEARNING_RATE:
        return RATE
    texts = _texts(params, setting)
    if texts.str.fullmatch(WHOLE).all():
        return Axis(setting, "Int64")
    return Axis(setting, "float" if texts.map(is_number).all() else "str")


def check_axis(study: str, setting: str, params: pd.DataFrame) -> None:
    """Raise ConfigError unless runs differ in this setting, as a report's second axis.

    `params`: settings of the study's runs, as text.
    """
    runs = list(known_texts(params).values())
    varying = varying_settings(runs, axis="", by_width=True)
    names = sorted({name for whose, name in varying if whose == ""} - NOT_AN_AXIS)
    if setting == LEARNING_RATE or setting in names:
        return
    advice = f"Choose one of {', '.join(names)}" if names else "Remove report.axes"
    problem = f"{setting} does not vary between the runs of study {study}"
    if setting == HIDDEN and {DEPTH, WIDTH} & set(names):
        problem = f"{setting} is no axis, as the layers of each run have one width"
    raise ConfigError(f"report.axes=[activation,{setting}]: {problem}. {advice}.")


def _texts(params: pd.DataFrame, setting: str) -> "pd.Series[str]":
    """The setting of each run whose activation is known."""
    found = {run_id: value_of(run, setting) for run_id, run in known_texts(params).items()}
    return pd.Series(found, dtype="str")
