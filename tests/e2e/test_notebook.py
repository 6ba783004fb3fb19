"""docs/explore.ipynb runs on any study of its name."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from actscope.project import ROOT
from tests.e2e.conftest import Run

NOTEBOOK = ROOT / "docs" / "explore.ipynb"


@pytest.mark.slow
def test_every_cell_of_the_notebook_runs(
    actscope: Run, store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = ("-m", "activation=relu,selu", "lr=0.001,0.03", "seed=0,1")
    done = actscope(*grid, "train.epochs=3", "model.hidden=[8]", "hydra.launcher.workers=0")
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert shown[0]["data"]["text/plain"].startswith("<study quickstart: 8 runs, 0 left out;")
    assert sum("image/png" in out.get("data", {}) for out in shown) == 2
