"""The commands on real files that are not as they should be, in this process or in their own."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from actscope import app, ui
from actscope.project import ROOT
from actscope.report import app as report_app

TINY = (
    "activation=relu",
    "lr=0.01",
    "train.epochs=1",
    "model.hidden=[4]",
    "trajectory.every=epoch",
    "hydra.launcher.workers=0",
)
TWO = ("-m", "seed=0,1", *TINY)
MODULES = {"sweep": "actscope", "report": "actscope.report", "ui": "actscope.ui"}


@dataclass(frozen=True)
class Ended:
    """How a command ended: what a shell and a screen would have of it."""

    code: int
    out: str
    err: str

    def refused(self, code: int) -> str:
        """The one line that it ended with; everything was quiet beside that."""
        assert self.code == code, self
        assert "Traceback" not in self.out
        (line,) = self.err.splitlines()
        assert line.startswith("actscope: ")
        assert line.isprintable()
        assert len(line) < 500
        return line


Command = Callable[..., Ended]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Send all that a command writes to a folder of the test; it stands in an empty one."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")  # so that what `app.run` sets is undone
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield tmp_path
    for handler in set(root.handlers) - set(handlers):  # Hydra's, of streams that are closed soon
        handler.close()
    root.handlers, root.level = handlers, level
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.fixture
def database(home: Path) -> Path:
    """Where the store's database is, or will be."""
    return home / "mlruns" / "mlflow.db"


@pytest.fixture
def command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`command("sweep", "-m", "seed=0,1")`: run a command in this process."""

    def run(name: str, *words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", [name, *words, *folders_for(name, words, home)])
        capsys.readouterr()
        code: int | str | None
        try:
            code = {"sweep": app.run, "report": report_app.main, "ui": ui.main}[name]()
        except SystemExit as end:
            code = end.code
        assert not isinstance(code, str)
        said = capsys.readouterr()
        return Ended(code or 0, said.out, said.err)

    return run


@pytest.fixture
def process(home: Path) -> Command:
    """`process("sweep", "-m", "seed=0,1")`: run a command as a user does."""

    def run(name: str, *words: str, **environment: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", MODULES[name], *words, *folders_for(name, words, home)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(home), **environment},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


def folders_for(name: str, words: Sequence[str], home: Path) -> list[str]:
    """Words that keep what a command writes in the test's own folder."""
    if name == "report" and not any(word.startswith("report.folder=") for word in words):
        return [f"report.folder={home}/reports"]
    if name == "sweep":
        number = len(list((home / "outputs").glob("*")))
        return [f"hydra.{kind}.dir={home}/outputs/{number}" for kind in ("run", "sweep")]
    return []
