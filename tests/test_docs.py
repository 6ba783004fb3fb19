"""What docs promise is there: tests, pages, an example that runs."""

import ast
import doctest
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from actscope.project import ROOT
from tests.support import tracked

DOCS = ROOT / "docs"
NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)((?:::\w+)*)`")  # a file, and of it a class or a test


def last_cell(line: str) -> str:
    return line.strip("| ").rpartition("|")[2].strip()


@pytest.mark.parametrize(("page", "folder"), [("reliability.md", "."), ("cluster.md", "cluster")])
def test_each_fault_has_tests_that_exist(page: str, folder: str) -> None:
    rows = list(rows_with_tests((DOCS / page).read_text().splitlines()))
    assert rows
    for row in rows:
        tests = NAMED.findall(last_cell(row))
        assert tests, row
        for path, names in tests:
            assert has(ROOT / "tests" / folder / path, names.split("::")[1:]), f"{path}{names}"


def rows_with_tests(lines: Sequence[str]) -> Iterator[str]:
    """The rows of each table whose last column is headed `test`."""
    of_tests = False
    for before, line in pairwise(["", *lines]):
        if line.startswith("|") and not before.startswith("|"):
            of_tests = last_cell(line).startswith("test")
        elif line.startswith("|") and of_tests and not line.startswith("|---"):
            yield line


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


def test_the_index_links_every_page() -> None:
    links = set(re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "index.md").read_text()))
    assert links == {path.name for path in DOCS.glob("*.md")} - {"index.md"}


def test_the_results_of_the_bench_fit_a_page() -> None:
    assert len((DOCS / "performance.md").read_text().splitlines()) <= 120


def test_the_example_of_the_api_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, results = tracked.new_store(tmp_path), tracked.trained(1)
    tracked.log(store, tracked.begin_sweep(store, results, study="quickstart"), results[0])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    results = doctest.testfile(
        str(DOCS / "api.md"), module_relative=False, optionflags=doctest.ELLIPSIS
    )
    assert results.failed == 0
    assert results.attempted > 0
