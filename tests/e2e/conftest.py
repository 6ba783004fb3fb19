"""Commands as a user types them, each in a process of its own and on a store of its own."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actscope.commands import train
from tests.support.processes import PYTHONPATH

Run = Callable[..., "subprocess.CompletedProcess[str]"]
RunHere = Callable[..., int]
Refused = Callable[..., str]


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


@pytest.fixture
def train_here(
    store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunHere]:
    """`train_here("-m", "seed=1,2")`: the exit code of `python -m actscope -m seed=1,2`.

    In this process, which has all imported: to import it takes seconds.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")  # so that what `run` sets is undone
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    # Hydra has the root logger of this process write where this test's output goes.
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*words: str) -> int:
        folders = [f"hydra.{kind}.dir={tmp_path}/outputs" for kind in ("run", "sweep")]
        monkeypatch.setattr(sys, "argv", ["actscope", *words, *folders])
        return train.run()

    yield run
    root.setLevel(level)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()


@pytest.fixture
def refused(train_here: RunHere, capsys: pytest.CaptureFixture[str]) -> Refused:
    """`refused("-m", "lr=nan")`: the one line with which `python -m actscope -m lr=nan` ends."""

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as end:
            train_here(*words)
        assert end.value.code in (1, 2)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("actscope: ")
        assert len(line) < 400
        return line.removeprefix("actscope: ")

    return run
