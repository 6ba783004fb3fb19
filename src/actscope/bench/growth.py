"""Whether each part of a study stays as cheap a point when the study grows."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actscope import tracking
from actscope.bench.timing import Spent, spent_by
from actscope.config import Tracking

STUDY = "growth"
TINY = (
    *("activation=relu", "lr=0.001", "model.hidden=[2]", "train.epochs=1"),
    *("trajectory.every=epoch", "trajectory.probe_every=epoch", f"study={STUDY}"),
)


@dataclass(frozen=True)
class Growth:
    """What one part of a study of so many points took."""

    part: str
    points: int
    wall: float  # s
    peak: int  # bytes, of the largest process


def growth(points: int, workers: int, folder: Path) -> Iterator[Growth]:
    """Compose, train and track, look up, and report a study of tiny networks.

    Raises:
        BenchError: a command failed.

    """
    settings = Tracking(f"sqlite:///{folder}/mlruns/mlflow.db")
    environment = {"MLFLOW_TRACKING_URI": f"{settings.uri}"}
    words = [*TINY, f"seed=range({points})", f"hydra.launcher.workers={workers}"]
    grid = [sys.executable, "-m", "actscope", "-m", *words, f"hydra.sweep.dir={folder}/outputs"]

    def told(part: str, spent: Spent) -> Growth:
        return Growth(part, points, spent.wall, spent.peak)

    yield told("compose", spent_by([*grid, "sweep.dry_run=true"], environment))
    yield told("train and track", spent_by(grid, environment))
    yield told("find all finished", spent_by(grid, environment))
    store = tracking.locate_store(settings)
    experiment_id = tracking.find_experiment(store, STUDY).experiment_id
    start = time.monotonic()
    assert len(tracking.read_attempts(store, experiment_id)) >= points  # and the sweeps
    yield Growth("the look-up alone", points, time.monotonic() - start, 0)
    report = [f"study={STUDY}", f"report.folder={folder}/reports"]
    yield told("report", spent_by([sys.executable, "-m", "actscope.report", *report], environment))
