"""The list of a study's runs on a page, and the links to it from the numbers in tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import OUTCOME_SIGNS
from actscope.report.explorer import explore

# Columns that name the row, besides those of a cell; a value with a digit in any other is a number.
NAMING = {"layer", "layers", "flat against", "first - second", "study"}

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

        Of a run `told` is the outcome with its sign, and `at` its value of the axis.
        """
        own, axis = self.runs.runs, self.runs.axis
        shown = own.assign(
            at=["" if pd.isna(value) else axis.text(value) for value in own[axis.column]],
            final=own["final"].map(self.runs.metric.number),
            told=own["outcome"].map(_with_sign),
            is_lost=own["outcome"].isin(OUTCOME_SIGNS),
        )
        found = shown.groupby(axis.cell, sort=False, dropna=False)
        return [
            (f"{self.anchor}runs-{number}", rows.to_dict("records"))
            for number, (_, rows) in enumerate(found, 1)
        ]

    @cached_property  # asked for each run
    def has_variants(self) -> bool:
        return len(set(self.runs.used["variant"])) > 1

    def behind(self, row: Row) -> str:
        """Address on the page of the runs of a row's cell, or of all runs if it has no cell."""
        place = self._places.get(self._key(row), f"{self.anchor}runs")
        return f"#{place}"

    def link(self, row: Row, column: str) -> str:
        """Address of the runs behind a value in a table, or '' if the value is no number."""
        has_digit = any(letter.isdigit() for letter in str(row[column]))
        is_number = has_digit and column not in {*NAMING, *self.runs.axis.cell}
        return self.behind(row) if is_number else ""

    def in_explorer(self, run: Row) -> str:
        return self._addresses.get(run["run_id"], "")

    def in_ui(self, run: Row) -> str:
        return f"{self.ui}/{run['run_id']}" if self.ui else ""

    @cached_property
    def _addresses(self) -> dict[str, str]:
        """Of the used runs in the explorer, which knows a run by its rate."""
        runs = self.runs.by_rate.used.to_dict("records")
        return {run["run_id"]: explore.address(self.label, run) for run in runs}

    @cached_property
    def _places(self) -> dict[tuple[str, ...], str]:
        # Numbers never come from runs that are left out.
        used = [(rows, place) for place, rows in self.cells if any(row["used"] for row in rows)]
        return {self._key(rows[0]): place for rows, place in used}

    def _key(self, row: Row) -> tuple[str, ...]:
        """The cell of a row; a readable table may lack the column `variant`."""
        value = row.get(self.runs.axis.column, "")
        text = value if isinstance(value, str) else self.runs.axis.text(value)
        return str(row.get("variant", "")), str(row.get("activation", "")), text


def _with_sign(outcome: str) -> str:
    return f"{OUTCOME_SIGNS.get(outcome, '')} {outcome}".strip()
