"""Speed on a GPU: run-steps a second by stack size, and whole studies with many seeds."""

import gc
import time
from dataclasses import dataclass, replace

import hydra
import torch

from actscope.config import Point
from actscope.engine.data import load_data
from actscope.engine.train import train_stack
from actscope.parsing import parse_point
from actscope.project import CONF
from actscope.sweep.stacks import run_steps_of
from benchmarks.steps import BATCH, FEATURES, HIDDEN, STEPS, made_data, points

STACKS = (1, 16, 64, 256, 1024, 4096)
SEEDS_IN = 20  # runs of a stack that share a seed
EPOCHS = 2  # the first captures the step, the second is timed
TEST = 100
STUDIES = {
    "article_accuracy": ["experiment=article_accuracy"],
    "article_accuracy, 64 units": ["experiment=article_accuracy", "model.hidden=[64]"],
    "edge": ["experiment=edge"],
}
SEEDS = range(20)


@dataclass(frozen=True)
class Stacked:
    """Run-steps a second of a stack, and of its two largest products alone; MiB of memory a run."""

    runs: int
    rate: float
    floor: float
    mib: float


@dataclass(frozen=True)
class Whole:
    """The training of a study as one stack, with evaluation and recording."""

    study: str
    runs: int
    run_steps: int
    seconds: float
    gib: float


def stacked(runs: int, device: torch.device) -> Stacked:
    """Train a stack of the article's network on random data."""
    stack = [
        replace(
            point,
            lr=1e-6,
            seed=number // SEEDS_IN,
            train=replace(point.train, epochs=EPOCHS),
        )
        for number, point in enumerate(points(runs, every="epoch"))
    ]
    times: list[float] = []

    def note_time(step: int) -> None:
        if step % STEPS == 0:
            torch.cuda.synchronize(device)
            times.append(time.monotonic())

    _free_memory(device)
    train_stack(stack, made_data(TEST), device=device, on_step=note_time)
    peak = torch.cuda.max_memory_allocated(device)
    return Stacked(
        runs, runs * STEPS / (times[-1] - times[0]), floor(runs, device), peak / runs / 2**20
    )


def floor(runs: int, device: torch.device) -> float:
    """Run-steps a second of the two matrix products that every step needs."""
    _free_memory(device)
    x = torch.rand(runs, BATCH, FEATURES, device=device)
    weight = torch.rand(runs, FEATURES, HIDDEN, device=device)
    delta = torch.rand(runs, BATCH, HIDDEN, device=device)
    sums, gradient = torch.empty_like(delta), torch.empty_like(weight)
    graph, repetitions = torch.cuda.CUDAGraph(), 20

    def work() -> None:
        for _ in range(repetitions):
            torch.bmm(x, weight, out=sums)
            torch.bmm(x.mT, delta, out=gradient)

    work()
    with torch.cuda.graph(graph):
        work()
    graph.replay()
    torch.cuda.synchronize(device)
    start = time.monotonic()
    for _ in range(repetitions):
        graph.replay()
    torch.cuda.synchronize(device)
    return runs * repetitions**2 / (time.monotonic() - start)


def whole(study: str, device: torch.device) -> Whole:
    """Train one of STUDIES with many seeds, all points in one stack."""
    stack = _points(STUDIES[study])
    data = load_data(stack[0].data)
    _free_memory(device)
    start = time.monotonic()
    train_stack(stack, data, device=device)
    seconds = time.monotonic() - start
    peak = torch.cuda.max_memory_allocated(device)
    return Whole(study, len(stack), run_steps_of(stack), seconds, peak / 2**30)


def _points(words: list[str]) -> list[Point]:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        grid = hydra.compose("config", words, return_hydra_config=True).hydra.sweeper.params
        each = [
            parse_point(hydra.compose("config", [*words, f"activation={name}"]))
            for name in grid.activation.split(",")
        ]
    rates = [float(rate) for rate in str(grid.lr).split(",")]
    return [replace(point, lr=lr, seed=seed) for point in each for lr in rates for seed in SEEDS]


def _free_memory(device: torch.device) -> None:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
