"""The commands on real files that are not as they should be, each in a process of its own."""

import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from actscope import tracking
from actscope.config import Tracking
from actscope.project import ROOT
from tests.support.processes import PYTHONPATH

COMMANDS = {  # module, and the words before those of the test
    "sweep": ("actscope",),
    "report": ("actscope.report",),
    "sync": ("actscope", "sync"),
    "ui": ("actscope", "ui"),
}
TINY = (
    "activation=relu",
    "lr=0.01",
    "train.epochs=1",
    "model.hidden=[4]",
    "trajectory.every=epoch",
    "hydra.launcher.workers=0",
)
TWO = ("-m", "seed=0,1", *TINY)
SECONDS = 240


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
    for folder in ("elsewhere", "tmp"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    before = set(ROOT.iterdir())
    yield tmp_path
    assert set(ROOT.iterdir()) == before
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.fixture
def database(home: Path) -> Path:
    """Where the store's database is, or will be."""
    return home / "mlruns" / "mlflow.db"


@pytest.fixture
def made(database: Path, sound: Path) -> Path:
    """A store without any run."""
    database.parent.mkdir(exist_ok=True)
    shutil.copy(sound, database)
    return database


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    tracking.open_store(Tracking(f"sqlite:///{path}"))
    return path


@pytest.fixture
def process(home: Path) -> Command:
    """`process("sweep", "-m", "seed=0,1")`: run a command as a user does."""

    def run(name: str, *words: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", *COMMANDS[name], *words, *folders_for(name, words, home)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def forks() -> ForkServerContext:
    """Makes processes that have imported all they need: of a small command that takes most."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["actscope.sweep.runner", "actscope.report.build", __name__])
    return context


@pytest.fixture
def command(home: Path, forks: ForkServerContext) -> Command:
    """Run what `process` runs, in a process of its own as well, but seconds faster."""

    def run(name: str, *words: str) -> Ended:
        module, *first = COMMANDS[name]
        argv = [name, *first, *words, *folders_for(name, words, home)]
        said = [home / "tmp" / f"{stream}.txt" for stream in ("out", "err")]
        child = forks.Process(
            target=run_module, args=(module, argv, dict(os.environ), Path.cwd(), said)
        )
        child.start()
        child.join(SECONDS)
        child.kill()
        child.join()
        assert child.exitcode is not None
        return Ended(child.exitcode, *(path.read_text() for path in said))

    return run


def run_module(
    module: str,
    argv: list[str],
    environment: dict[str, str],
    folder: Path,
    said: Sequence[Path],
) -> None:
    """Be `python -m module`, in a process made for it."""
    for path, stream in zip(said, (sys.stdout, sys.stderr), strict=True):
        with path.open("w") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = argv
    runpy.run_module(module, run_name="__main__")


def folders_for(name: str, words: Sequence[str], home: Path) -> list[str]:
    """Words that keep what a command writes in the test's own folder."""
    if name == "report" and not any(word.startswith("report.folder=") for word in words):
        return [f"report.folder={home}/reports"]
    if name == "sweep":
        number = len(list((home / "outputs").glob("*")))
        return [f"hydra.{kind}.dir={home}/outputs/{number}" for kind in ("run", "sweep")]
    return []
