"""Costs of whole sweeps by part: start-up, training, recording, tracking, report."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from omegaconf import OmegaConf

from actscope import tracking
from actscope.artifacts.metrics import epoch_metrics
from actscope.config import Point, Tracking
from actscope.engine.data import load_data
from actscope.engine.result import RunResult
from actscope.engine.train import train_stack
from actscope.parsing import parse_point
from actscope.sweep.resources import Resources
from actscope.sweep.stacks import Stack, make_stacks
from actscope.sweep.worker import SECONDS_BETWEEN_METRICS, finish_run
from actscope.tracking import GridPoint, Store, Sweep
from benchmarks.timing import Spent, Took, spent_by, timed

SEEDS_OF_FIVE = "seed=range(5)"
STUDIES = {
    "quickstart": [],
    "article_dying, 50 runs": ["experiment=article_dying", SEEDS_OF_FIVE],
    "article_accuracy, 30 epochs": ["experiment=article_accuracy", "train.epochs=30"],
}


@dataclass(frozen=True)
class Costs:
    """CPU seconds of the parts of a sweep and its report, and wall seconds of the whole.

    `shown`: additional cost of live metrics, as a share of the training's time.
    """

    study: str
    runs: int
    workers: int
    wall: float
    to_first_run: float  # wall, from the command to the start of the first run
    starting: float
    training: float
    recording: float
    tracking: float
    rest: float  # worker processes start, and slow each other down
    report: float
    report_wall: float
    shown: float


def costs_of(study: str, words: Sequence[str], workers: int, folder: Path) -> Costs:
    """Run a sweep as a user does, then measure its parts separately.

    Raises:
        BenchError: the sweep failed.

    """
    words = [*words, f"hydra.launcher.workers={workers}"]
    grid = ["-m", "actscope", "-m", *words]
    for place in ("swept", "tracked"):  # before the measurement, as a store is created only once
        tracking.open_store(_store(folder / place))
    planning = _spent(folder / "planned", *grid, "sweep.dry_run=true")
    sweep = _spent(folder / "swept", *grid)
    points = points_in(folder / "swept" / "outputs")
    stack = make_stacks(points, Resources(workers, stack_size=20))[0]
    share = len(points) / len(stack)
    bare, whole, results = _train(stack)
    store = tracking.locate_store(_store(folder / "tracked"))
    track = partial(_track, stack, results, store)
    track()  # not measured: its imports, which workers get from the process that forks them
    logging = timed(track).cpu
    live = live_metrics_costs(stack, results, store)
    parts = {
        "starting": planning.cpu,
        "training": share * bare,
        "recording": share * max(whole - bare, 0.0),
        "tracking": share * logging,
    }
    reporting = _spent(
        folder / "swept",
        *("-m", "actscope.report", f"study={points[0].study}", f"report.folder={folder}/reports"),
    )
    return Costs(
        study=study,
        runs=len(points),
        workers=workers,
        wall=sweep.wall,
        to_first_run=_first_run(folder / "swept", points[0].study) - sweep.started,
        rest=max(sweep.cpu - sum(parts.values()), 0.0),
        report=reporting.cpu,
        report_wall=reporting.wall,
        shown=live.cpu / SECONDS_BETWEEN_METRICS,
        **parts,
    )


def _spent(folder: Path, *words: str) -> Spent:
    folders = [f"hydra.sweep.dir={folder}/outputs"] if "-m" in words[2:] else []
    return spent_by(
        [sys.executable, *words, *folders], {"MLFLOW_TRACKING_URI": f"{_store(folder).uri}"}
    )


def _store(folder: Path) -> Tracking:
    return Tracking(f"sqlite:///{folder}/mlruns/mlflow.db")


def points_in(folder: Path) -> list[Point]:
    """The points that a sweep has listed in its folder."""
    lines = (folder / "points.jsonl").read_text().splitlines()
    return [parse_point(OmegaConf.create(json.loads(line)["config"])) for line in lines]


def _first_run(folder: Path, study: str) -> float:
    """Start of the first run, in seconds since 1970."""
    runs = tracking.read_runs(tracking.locate_store(_store(folder)), study)
    return float(runs["started"].min()) / 1000


def _train(stack: Stack) -> tuple[float, float, list[RunResult]]:
    """CPU seconds of a stack without and with recorded steps, and its results."""
    data = load_data(stack[0].data)
    results: list[RunResult] = []
    whole = timed(lambda: results.extend(train_stack(stack, data))).cpu
    if stack[0].trajectory.every == "epoch":
        return whole, whole, results
    unrecorded = [replace(p, trajectory=replace(p.trajectory, every="epoch")) for p in stack]
    return timed(lambda: train_stack(unrecorded, data)).cpu, whole, results


def _track(stack: Stack, results: Sequence[RunResult], store: Store) -> None:
    sweep = _begin_sweep(stack, store)
    runs = tracking.begin_runs(store, sweep, [r.point for r in results], load_data(stack[0].data))
    for run, result in zip(runs, results, strict=True):
        finish_run(store, run, result)
    tracking.end_sweep(store, sweep, "FINISHED")


def live_metrics_costs(stack: Stack, results: Sequence[RunResult], store: Store) -> Took:
    """Cost of one update of a stack's live metrics, by the last epoch."""
    sweep = _begin_sweep(stack, store)
    opened = tracking.begin_runs(store, sweep, stack, load_data(stack[0].data))
    histories = {result.point: result.history for result in results}
    runs = [(run, histories[point]) for point, run in zip(stack, opened, strict=True)]
    for run, history in runs:
        before = history["epoch"] <= history["epoch"].max() - 1
        tracking.show_progress(store, run, epoch_metrics(history[before]))

    def show() -> None:
        for run, history in runs:
            tracking.show_progress(store, run, epoch_metrics(history))

    took = timed(show)
    tracking.end_sweep(store, sweep, "KILLED")
    return took


def _begin_sweep(stack: Stack, store: Store) -> Sweep:
    return tracking.begin_sweep(store, stack[0].study, "bench", [GridPoint.of(p) for p in stack])
