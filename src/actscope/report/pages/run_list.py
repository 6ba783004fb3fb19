"""The list of a study's runs on a page, and the links to it from the numbers in tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import OUTCOME_SIGNS, rate_text
from actscope.analysis.stats import CELL
from actscope.report.explorer import explore

# Columns that name the row; a value with a digit in any other column is a number.
NAMING = {*CELL, "layer", "layers", "flat against", "first - second", "study"}

Row = Mapping[Any, Any]


@dataclass(frozen=True, eq=False)
class RunList:
    """`anchor`: start of its ids on the page; `label`: the study's name in the explorer, or ''.

    `ui`: of tracking.ui.runs_in_ui.
    """

    runs: StudyRuns
    anchor: str
    label: str
    ui: str

    @cached_property
    def cells(self) -> list[tuple[str, list[dict[Any, Any]]]]:
        """The runs of each cell, with the id of their list on the page.

        Of a run `told` is the outcome with its sign.
        """
        own = self.runs.runs
        shown = own.assign(
            final=own["final"].map(self.runs.metric.number),
            told=own["outcome"].map(_with_sign),
            is_lost=own["outcome"].isin(OUTCOME_SIGNS),
        )
        found = shown.groupby(CELL, sort=False, dropna=False)
        return [
            (f"{self.anchor}runs-{number}", rows.to_dict("records"))
            for number, (_, rows) in enumerate(found, 1)
        ]

    @property
    def has_variants(self) -> bool:
        return self.runs.used["variant"].nunique() > 1

    def behind(self, row: Row) -> str:
        """Address on the page of the runs of a row's cell, or of all runs if it has no cell."""
        place = self._places.get(_key(row), f"{self.anchor}runs")
        return f"#{place}"

    def link(self, row: Row, column: str) -> str:
        """Address of the runs behind a value in a table, or '' if the value is no number."""
        has_digit = any(letter.isdigit() for letter in str(row[column]))
        return self.behind(row) if has_digit and column not in NAMING else ""

    def in_explorer(self, run: Row) -> str:
        return explore.address(self.label, run) if run["used"] else ""

    def in_ui(self, run: Row) -> str:
        return f"{self.ui}/{run['run_id']}" if self.ui else ""

    @cached_property
    def _places(self) -> dict[tuple[str, ...], str]:
        # Numbers never come from runs that are left out.
        used = [(rows, place) for place, rows in self.cells if any(row["used"] for row in rows)]
        return {_key(rows[0]): place for rows, place in used}


def _with_sign(outcome: str) -> str:
    return f"{OUTCOME_SIGNS.get(outcome, '')} {outcome}".strip()


def _key(row: Row) -> tuple[str, ...]:
    """The cell of a row; a readable table may lack the column `variant`."""
    lr = row.get("lr", "")
    rate = lr if isinstance(lr, str) else rate_text(lr)
    return str(row.get("variant", "")), str(row.get("activation", "")), rate
