"""The tests that docs promise are there."""

import ast
import re
from itertools import dropwhile, takewhile
from pathlib import Path

import pytest

from actscope.project import ROOT

NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)((?:::\w+)*)`")  # a file, and of it a class or a test


def last_cell(line: str) -> str:
    return line.strip("| ").rpartition("|")[2].strip()


@pytest.mark.parametrize(("page", "folder"), [("reliability.md", "."), ("cluster.md", "cluster")])
def test_each_fault_has_tests_that_exist(page: str, folder: str) -> None:
    lines = iter((ROOT / "docs" / page).read_text().splitlines())
    table = dropwhile(lambda line: not last_cell(line).startswith("test"), lines)
    _, _, *rows = takewhile(lambda line: line.startswith("|"), table)
    assert rows
    for row in rows:
        tests = NAMED.findall(last_cell(row))
        assert tests, row
        for path, names in tests:
            assert has(ROOT / "tests" / folder / path, names.split("::")[1:]), f"{path}{names}"


def has(path: Path, names: list[str]) -> bool:
    """Whether a module is there, and in it a function, or a class with a method."""
    found: ast.Module | ast.ClassDef | ast.FunctionDef | None
    found = ast.parse(path.read_text()) if path.exists() else None
    for name in names:
        inside = [] if found is None else found.body
        of_name = [
            each
            for each in inside
            if isinstance(each, ast.ClassDef | ast.FunctionDef) and each.name == name
        ]
        found = of_name[0] if of_name else None
    return found is not None
