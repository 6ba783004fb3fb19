"""Cost a point of each part of a study, for studies of different sizes."""

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from actscope import tracking
from actscope.config import Tracking
from actscope.engine.data import load_data
from actscope.engine.train import train_stack
from actscope.sweep.resources import Resources
from actscope.sweep.stacks import make_stacks
from benchmarks.sweeps import live_metrics_costs, points_in
from benchmarks.team import team_server
from benchmarks.timing import spent_by

STUDY = "growth"
A_SEED = 10  # points
TINY = (
    *("activation=relu,elu", "lr=0.001,0.002,0.003,0.004,0.005", "model.hidden=[2]"),
    *("train.epochs=1", "trajectory.every=epoch", "trajectory.probe_every=epoch"),
    f"study={STUDY}",
)


@dataclass(frozen=True)
class Growth:
    """Time and memory of one part of a study."""

    part: str
    points: int
    wall: float  # s; CPU time of this process if the part's name says so
    peak: int  # bytes, of the largest process


def growth(points: int, workers: int, folder: Path) -> Iterator[Growth]:
    """Compose, train and track, find all finished, and report a study of tiny networks.

    Raises:
        BenchError: a command failed.

    """
    settings = Tracking(f"sqlite:///{folder}/mlruns/mlflow.db")
    yield from _by_commands(points, workers, folder, {"MLFLOW_TRACKING_URI": f"{settings.uri}"})
    store = tracking.locate_store(settings)
    experiment_id = store.find_experiment(STUDY).experiment_id
    start = time.monotonic()
    assert len(tracking.read_summaries(store, experiment_id)) >= points  # plus the sweeps
    yield Growth("read the run index", points, time.monotonic() - start, 0)


def growth_on_server(points: int, workers: int, folder: Path) -> Iterator[Growth]:
    """The same with a team's tracking server, and the cost of live metrics of a stack.

    Raises:
        BenchError: a command failed, or the server does not start.

    """
    with team_server(folder / "server") as environment:
        yield from _by_commands(points, workers, folder, environment)
        stack = make_stacks(points_in(folder / "outputs"), Resources(workers))[0]
        results = train_stack(stack, load_data(stack[0].data))
        shown = live_metrics_costs(
            stack, results, tracking.locate_store(_with_password(environment))
        )
        yield Growth("live metrics of a stack", len(stack), shown.wall, 0)
        yield Growth("live metrics of a stack, CPU", len(stack), shown.cpu, 0)


def _with_password(environment: Mapping[str, str]) -> Tracking:
    """The server's address with user and password."""
    user, password = (environment[f"MLFLOW_TRACKING_{name}"] for name in ("USERNAME", "PASSWORD"))
    scheme, host = environment["MLFLOW_TRACKING_URI"].split("//")
    return Tracking(f"{scheme}//{user}:{password}@{host}")


def _by_commands(
    points: int, workers: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[Growth]:
    words = [*TINY, f"seed=range({points // A_SEED})", f"hydra.launcher.workers={workers}"]
    grid = [sys.executable, "-m", "actscope", "-m", *words, f"hydra.sweep.dir={folder}/outputs"]
    report = [sys.executable, "-m", "actscope.report", f"study={STUDY}"]
    for part, command in (
        ("compose", [*grid, "sweep.dry_run=true"]),
        ("train and track", grid),
        ("find all finished", grid),
        ("report", [*report, f"report.folder={folder}/reports"]),
    ):
        spent = spent_by(command, environment)
        yield Growth(part, points, spent.wall, spent.peak)
