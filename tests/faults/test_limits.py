"""A sweep on a machine that allows too little."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
FILES = 30  # that may be open: enough for the command, too few for a cluster


def test_workers_that_cannot_start_are_one_line(tmp_path: Path) -> None:
    settings = [f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", f"hydra.sweep.dir={tmp_path}/out"]
    words = [sys.executable, "-m", "actscope", "sweep", "activation=relu", "seed=0,1", *settings]
    done = subprocess.run(
        ["bash", "-c", f"ulimit -n {FILES}; exec {shlex.join(words)}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("actscope: hydra.launcher.workers=")
    assert "this machine cannot start them (" in line
    assert "Give fewer, or 0 to train in this process." in line
