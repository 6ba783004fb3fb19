"""The import contracts of pyproject.toml catch an import that they forbid."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actscope.project import ROOT

# A line that each contract forbids, and the module that gets it.
FORBIDDEN = {
    "Each layer imports only layers below it": ("config.py", "import actscope.report.build"),
    "Only tracking knows MLflow": ("engine/data.py", "import mlflow"),
    "Only the sweep's Dask modules know Dask": ("sweep/results.py", "import dask"),
    "Only the search knows Optuna": ("sweep/tuned_cells.py", "import optuna"),
    "torchvision stays behind its compatibility module": ("report/cli.py", "import torchvision"),
    "What computes does not print": ("analysis/stats.py", "import rich"),
    "SQL is in tracking.sqlite": ("tracking/ui.py", "import sqlite3"),
    "Only the train command knows the Hydra plug-in": (
        "sweep/stacks.py",
        "import hydra_plugins.actscope_launcher.launcher",
    ),
    "Figures, text, tables and explorer do not know each other": (
        "report/text/units.py",
        "import actscope.report.figures.units",
    ),
    "No circles": ("engine/data.py", "import actscope.engine.train"),
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The contracts that a copy of the source with all those lines breaks."""
    copy = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for module, line in FORBIDDEN.values():
        path = copy / "src" / "actscope" / module
        path.write_text(f"{path.read_text()}\n{line}\n")
    lint = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(
        [*lint, "--config", ROOT / "pyproject.toml"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return set(re.findall(r"^(.+) BROKEN", done.stdout, re.MULTILINE))


@pytest.mark.parametrize("contract", FORBIDDEN)
def test_a_forbidden_import_breaks_its_contract(broken: set[str], contract: str) -> None:
    assert contract in broken


def test_each_contract_is_tried() -> None:
    names = re.findall(r'^name = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert {name for name in names if name != "actscope"} == set(FORBIDDEN)
