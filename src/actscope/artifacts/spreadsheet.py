"""Tables as CSV that is safe in spreadsheets, which run some texts as formulas."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Characters that begin a formula in a spreadsheet, the last four full-width; numbers excepted.
FORMULA = re.compile(
    r"(?![+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\Z)[=+\-@\t\n\uff1d\uff0b\uff0d\uff20]", re.IGNORECASE
)


def to_csv(table: "pd.DataFrame") -> str:
    """CSV of a table in full precision; a text that looks like a formula gets a `'` before it."""
    safe = table.copy(deep=False)
    for column in safe.select_dtypes(exclude="number"):
        safe[column] = safe[column].map(_as_text)
    return safe.rename(columns=_as_text).to_csv(index=False, lineterminator="\n")


def _as_text(value: object) -> object:
    if not isinstance(value, str):
        return value
    # The CSV writer does not quote a bare CR, which would begin a new row.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if FORMULA.match(text) else text
