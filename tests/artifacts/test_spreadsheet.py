"""Cells of CSV: no text is a formula, and numbers are as they were."""

import csv
import io

import numpy as np
import pandas as pd
import pytest

from actscope.artifacts.spreadsheet import to_csv
from actscope.report.tables import files as table_files


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize(
    "text",
    [
        *('=HYPERLINK("http://x","y")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "=", "-"),
        *("\t=1", "\n=1", "-1e5x", "+.e5", "-1\n", "\uff1d1", "\uff20SUM(A1)"),
    ],
)
def test_a_text_that_could_be_a_formula_has_a_sign_before_it(text: str) -> None:
    table = pd.DataFrame({text: [text, "plain"], "n": [1, -2]})
    assert read(to_csv(table)) == [[f"'{text}", "n"], [f"'{text}", "1"], ["plain", "-2"]]


@pytest.mark.parametrize("text", ["\r=1", "\r\n=1", "a\r=1"])
def test_no_cell_begins_a_row_of_its_own(text: str) -> None:
    table = pd.DataFrame({"a": [text]})
    sign = "" if text.startswith("a") else "'"
    lines = sign + text.replace("\r\n", "\n").replace("\r", "\n")
    assert read(to_csv(table)) == [["a"], [lines]]


def test_numbers_and_other_texts_are_as_they_were() -> None:
    table = pd.DataFrame(
        {
            "float": [-0.1, np.inf, np.nan],
            "int": [-1, 0, 2**60],
            "mixed": [-1.5, "relu - selu", None],
            "text": ["-0.5", "+3e-2", "a=b"],
            "flag": [True, False, True],
            "kind": pd.Categorical(["a", "=b", "a"]),
        }
    )
    expected = table.assign(kind=["a", "'=b", "a"]).to_csv(index=False, lineterminator="\n")
    assert to_csv(table) == expected
    assert table["kind"].tolist() == ["a", "=b", "a"]


def test_every_table_of_a_report_is_written_so() -> None:
    table = pd.DataFrame({"name": ["=1"]})
    files = table_files.Table("any", "", table, table).files
    assert files["tables/any.csv"] == b"name\n'=1\n"
