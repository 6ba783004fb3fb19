"""Tables as files: CSV, Markdown and LaTeX."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actscope.artifacts.spreadsheet import to_csv
from actscope.metric import Metric

NO_INTERVAL = "none: one run"


DASH = "\N{EN DASH}"


# pandas does not escape these; LaTeX's default fonts have other signs in their places.
LATEX_SIGNS = str.maketrans({"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"})


@dataclass(frozen=True, eq=False)
class Table:
    """A table of a section: `full` goes to a csv, `readable` to a md, a tex and to the page."""

    name: str
    caption: str
    full: pd.DataFrame
    readable: pd.DataFrame
    is_folded: bool = True  # on the page

    @property
    def files(self) -> dict[str, bytes]:
        return file_formats(self.name, self.full, self.readable)


def readable(table: pd.DataFrame, names: Sequence[str], columns: Mapping[str, Any]) -> pd.DataFrame:
    """The columns that name a row, then others; a column in both is the other one.

    Without that of variants if the study has only one, which has no name.
    """
    own = table[list(names)].assign(**columns)
    return own if own["variant"].any() else own.drop(columns="variant")


def interval(cell: Mapping[Any, Any], metric: Metric) -> str:
    """The interval of a cell's mean, or why there is none."""
    if cell["n"] == 0:
        return "none: no run learned"
    if cell["n"] == 1:
        return NO_INTERVAL
    if cell["final_sd"] == 0:
        return f"none: all {cell['n']} equal"
    return f"{metric.number(cell['final_low'])} to {metric.number(cell['final_high'])}"


def over_both(row: Mapping[Any, Any], show: Callable[[float], str]) -> str:
    """The interval over seeds and examples, each end as `show` writes it; '' if there is none."""
    if pd.isna(row.get("both_low")):
        return ""
    return f"{show(row['both_low'])} to {show(row['both_high'])}"


def share(row: Mapping[Any, Any], name: str) -> str:
    """A share in per cent with its interval where it has one: `12.5 (10.1 to 14.9)`."""
    value, low, high = (100 * row[column] for column in (name, f"{name}_low", f"{name}_high"))
    if np.isnan(value):
        return DASH
    return f"{value:.1f}" + ("" if np.isnan(low) else f" ({low:.1f} to {high:.1f})")


def file_formats(name: str, full: pd.DataFrame, readable: pd.DataFrame) -> dict[str, bytes]:
    """A table as csv in full precision, and as readable md and tex."""
    return {
        f"tables/{name}.csv": to_csv(full).encode(),
        f"tables/{name}.md": _markdown(readable),
        f"tables/{name}.tex": latex(readable),
    }


def _markdown(table: pd.DataFrame) -> bytes:
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "".join(f"| {' | '.join(map(_markdown_cell, line))} |\n" for line in lines).encode()


def _markdown_cell(value: object) -> str:
    return html.escape(_in_a_line(value), quote=False).replace("|", "\\|")


def latex(table: pd.DataFrame) -> bytes:
    """A tabular with the rules of the package booktabs."""
    cells = table.map(_in_a_line).reset_index(drop=True).style.hide(axis="index")
    cells = cells.format(_latex_signs, escape="latex")
    cells = cells.format_index(_latex_signs, escape="latex", axis="columns")
    return cells.to_latex(hrules=True).encode()


def _latex_signs(text: object) -> str:
    return str(text).translate(LATEX_SIGNS)


def _in_a_line(value: object) -> str:
    return "" if pd.isna(value) else " ".join(str(value).split())  # type: ignore[call-overload]
