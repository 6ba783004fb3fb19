"""Tables as CSV, which people open in programs that take some texts for formulas."""

import re

import pandas as pd

# What begins a formula in some spreadsheet, the last four in full width; but not a number.
FORMULA = re.compile(
    r"(?![+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\Z)[=+\-@\t\n\uff1d\uff0b\uff0d\uff20]", re.IGNORECASE
)


def to_csv(table: pd.DataFrame) -> str:
    """CSV of a table in full precision; a text that a program would run has a `'` before it."""
    safe = table.copy(deep=False)
    for column in safe.select_dtypes(exclude="number"):
        safe[column] = safe[column].map(_as_text)
    return safe.rename(columns=_as_text).to_csv(index=False, lineterminator="\n")


def _as_text(value: object) -> object:
    if not isinstance(value, str):
        return value
    # A bare CR is not quoted, and would begin a row of its own.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if FORMULA.match(text) else text
