"""Whole jobs by actscope and by a script of hydraflow and MLflow, in turn."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import distributions
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from actscope import tracking
from actscope.config import DataSource, Tracking
from actscope.engine.images import read_images
from actscope.project import ROOT
from benchmarks.timing import Spent, spent_by

INSTALLED = ROOT / "build" / "rivals"
ACTIVATIONS = "activation=relu,leaky_relu,elu,selu,bn_relu"
ACTSCOPE = "actscope, two workers"


@dataclass(frozen=True)
class Job:
    """A grid of points, as words for both tools and words for one of them."""

    name: str
    data: DataSource
    grid: tuple[str, ...]
    actscope: tuple[str, ...] = ()
    rival: tuple[str, ...] = ()


JOBS = (
    Job(
        "quickstart, 75 runs",
        DataSource("digits", None),
        (ACTIVATIONS, "lr=0.001,0.01,0.03", "seed=0,1,2,3,4"),
    ),
    Job(
        "MNIST, 30 runs, every step recorded",
        DataSource("mnist", None),
        (ACTIVATIONS, "lr=0.01,0.001", "seed=0,1,2"),
        ("experiment=article_dying",),
        ("epochs=1", "record_every=1"),
    ),
)


@dataclass(frozen=True)
class Turn:
    """Cost of a job by one tool in one round; `again`: the same command with nothing left to do."""

    job: str
    round: int
    tool: str
    cpu: float  # s, of all processes
    wall: float  # s
    again_cpu: float
    again_wall: float


def install_hydraflow(folder: Path = INSTALLED) -> str:
    """Name and version of the rival. hydraflow is installed at the first call, if it can be.

    Its dependencies are actscope's own, except those of its command line, which is not used.
    """
    if not folder.exists():
        words = ("install", "--quiet", "--no-deps", "--target", str(folder), "hydraflow")
        pip = [sys.executable, "-m", "pip", *words]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        if done.returncode != 0:
            reason = done.stderr.strip().splitlines()[-1]
            sys.stderr.write(f"hydraflow cannot be installed, plain MLflow is measured: {reason}\n")
            return "plain MLflow"
    (version,) = (found.version for found in distributions(path=[str(folder)]))
    return f"hydraflow {version}"


def turns(
    jobs: Sequence[Job], rounds: int, rival: str, on_turn: Callable[[], None] = lambda: None
) -> Iterator[Turn]:
    """Do each job with each tool in turn, in new stores, as often as there are rounds.

    Raises:
        BenchError: a command failed.
        DataError: a data set is missing; this is checked before any measurement.

    """
    for job in jobs:
        read_images(job.data)  # keeps the copy that all tools read
    for job, round_, (tool, command) in product(jobs, range(rounds), TOOLS.items()):
        with TemporaryDirectory(prefix="actscope-bench-") as folder:
            first, again = _twice(command(job, Path(folder)), Path(folder))
        name = tool.format(rival=rival)
        yield Turn(job.name, round_, name, first.cpu, first.wall, again.cpu, again.wall)
        on_turn()


def compared(measured: Sequence[Turn]) -> pd.DataFrame:
    """Medians over the rounds, and of the ratios to actscope within a round, ending in `_x`."""
    rows = pd.DataFrame(measured).set_index(["job", "round", "tool"])
    ours = rows.xs(ACTSCOPE, level="tool")
    ratios = rows.div(ours).reindex(rows.index)
    whole = rows.join(ratios.add_suffix("_x")).groupby(["job", "tool"], sort=False).median()
    return whole.reset_index()


def _twice(words: Sequence[str], folder: Path) -> tuple[Spent, Spent]:
    """Run a command on a new store, and again with nothing left to do."""
    store = Tracking(f"sqlite:///{folder}/mlruns/mlflow.db")
    tracking.open_store(store)  # creates its tables, once and for all tools alike
    environment = {
        "MLFLOW_TRACKING_URI": f"{store.uri}",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, INSTALLED))),
    }
    command = [sys.executable, "-m", *words]
    return spent_by(command, environment, folder), spent_by(command, environment, folder)


def _by_actscope(job: Job, folder: Path, workers: int = 2) -> tuple[str, ...]:
    places = (f"hydra.launcher.workers={workers}", f"hydra.sweep.dir={folder}/outputs")
    return ("actscope", "-m", *job.actscope, *job.grid, *places)


def _by_rival(job: Job, _: Path) -> tuple[str, ...]:
    images = f"data={ROOT}/data/{job.data.name}.npz"
    return ("benchmarks.rivals.hydraflow_sweep", "-m", *job.rival, *job.grid, images)


def _by_rival_in_two(job: Job, folder: Path) -> tuple[str, ...]:
    return (*_by_rival(job, folder), "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


TOOLS: dict[str, Callable[[Job, Path], tuple[str, ...]]] = {
    ACTSCOPE: _by_actscope,
    "actscope, one process": partial(_by_actscope, workers=0),
    "{rival}, one process": _by_rival,
    "{rival}, two processes": _by_rival_in_two,
}
