"""Commands as a user types them, each in a process of its own and on a store of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import PYTHONPATH

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def store_uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlruns/mlflow.db"


@pytest.fixture
def actscope(tmp_path: Path, store_uri: str) -> Run:
    """`actscope("-m", "seed=1,2")`: run `python -m actscope -m seed=1,2` in an empty folder."""
    (tmp_path / "elsewhere").mkdir()
    environment = {
        "MLFLOW_TRACKING_URI": store_uri,
        "COLUMNS": "200",
        "PYTHONPATH": PYTHONPATH,
    }

    def run(*words: str, module: str = "actscope") -> "subprocess.CompletedProcess[str]":
        folders = (
            ()
            if module != "actscope"
            else (
                f"hydra.run.dir={tmp_path}/outputs/run",
                f"hydra.sweep.dir={tmp_path}/outputs/sweep",
            )
        )
        return subprocess.run(
            [sys.executable, "-m", module, *words, *folders],
            cwd=tmp_path / "elsewhere",
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run
