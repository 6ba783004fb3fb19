"""The command `python -m benchmarks`: run the benchmarks and write their results."""

import json
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import pandas as pd
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pydantic import Field
from pydantic.dataclasses import dataclass
from rich.console import Console
from rich.markdown import Markdown

from actscope.artifacts.panels import COLOURS
from actscope.command_line.settings import run_command
from actscope.config import DataSource, Tracking
from actscope.engine.data import load_data
from actscope.engine.device import choose_device, name_of
from actscope.project import ROOT
from actscope.runtime.progress import LateProgress
from actscope.setting_types import CLOSED
from benchmarks import gpu, own
from benchmarks.commands import COMMANDS, waits
from benchmarks.growth import Growth, growth, growth_on_server
from benchmarks.rivals import jobs
from benchmarks.steps import cases
from benchmarks.sweeps import STUDIES, Costs, costs_of
from benchmarks.timing import interleaved, spread

HELP = """\
Measure the speed of actscope on this machine and write bench.md, bench.json and bench.svg.

rivals compares whole jobs with a script of hydraflow and MLflow; commands measures how long the
short commands take; steps compares a run-step with its two matrix products (the floor) and with
common loops; sweeps measures whole sweeps and their parts; growth measures how costs grow with the
number of points; server measures growth on a tracking server; own compares gradients of networks of
your own by torch.func with those of one run at a time; gpu measures stacks and studies on a GPU.

  part=NAME           measure only rivals, commands, steps, sweeps, growth, server, own or gpu
                      (default: the first five, and gpu if there is one)
  rounds=N            rounds of the commands and run-steps (default: 5); whole jobs have three
  full=true, --full   growth up to 10,000 points, which takes most of an hour (default: 1,000)
  folder=PATH         folder of the results (default: outputs/bench)
"""
MNIST = DataSource("mnist", None)
POINTS = (10, 100, 1000)
ON_SERVER = (100, 1000)
ROUNDS_OF_JOBS = 3
PART_COLOURS = dict(
    zip(
        ("starting", "training", "recording", "tracking", "rest", "report"),
        [*COLOURS, "#999999"],
        strict=True,
    )
)
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "")

Rows = list[dict[str, Any]]


@dataclass(frozen=True, config=CLOSED)
class Settings:
    tracking: Tracking  # unused, but every command has it
    part: (
        Literal["rivals", "commands", "steps", "sweeps", "growth", "server", "own", "gpu"] | None
    ) = None
    rounds: Annotated[int, Field(ge=1, le=100)] = 5
    full: bool = False
    folder: Annotated[str, Field(min_length=1, max_length=1000)] = "outputs/bench"


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit code."""
    return run_command("bench", HELP, Settings, bench, words, flags=("full",))


def bench(settings: Settings) -> int:
    """Run the benchmarks that the settings name and write the results."""
    folder = ROOT / settings.folder
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Callable[[], Any]] = {
        "rivals": measure_rivals,
        "commands": partial(measure_commands, settings.rounds),
        "steps": partial(measure_steps, settings.rounds),
        "sweeps": measure_sweeps,
        "growth": partial(measure_growth, growth, (*POINTS, 10_000) if settings.full else POINTS),
    }
    if settings.part == "server":
        parts["server"] = partial(measure_growth, growth_on_server, ON_SERVER)
    if settings.part == "own":
        parts["own"] = partial(measure_own, settings.rounds)
    if settings.part == "gpu" or torch.cuda.is_available():
        parts["gpu"] = partial(measure_gpu, choose_device("cuda"))
    asked = [settings.part] if settings.part else list(parts)
    found: dict[str, Any] = {"machine": machine()}
    for part in asked:
        found[part] = parts[part]()
    (folder / "bench.json").write_text(f"{json.dumps(found, indent=1)}\n")
    text = as_markdown(found)
    (folder / "bench.md").write_text(text)
    if found.get("sweeps"):
        draw(found["sweeps"]).savefig(folder / "bench.svg")
    Console().print(Markdown(text))
    sys.stdout.write(f"{folder / 'bench.md'}\n")
    return 0


def machine() -> dict[str, str]:
    """Description of this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": _processor(),
        "cores": str(cores),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def measure_rivals() -> Rows:
    """Costs of whole jobs by tool, and multiples of actscope's in the same round."""
    rival = jobs.install_hydraflow()
    with LateProgress("jobs", ROUNDS_OF_JOBS * len(jobs.JOBS) * len(jobs.TOOLS)) as progress:
        turns = list(jobs.turns(jobs.JOBS, ROUNDS_OF_JOBS, rival, progress.advance))
    return _rows(jobs.compared(turns))


def measure_commands(rounds: int) -> Rows:
    """Seconds of each short command."""
    with (
        LateProgress("commands", rounds * len(COMMANDS)) as progress,
        TemporaryDirectory(prefix="actscope-bench-") as scratch,
    ):
        waited = waits(Path(scratch), rounds, on_command=progress.advance)
    return _rows(pd.DataFrame(map(asdict, waited)))


def measure_steps(rounds: int) -> Rows:
    """CPU time of a run-step in each case: ms, and multiples of the floor in the same round."""
    works = cases()
    with LateProgress("run-steps", (1 + rounds) * len(works)) as progress:
        seconds = interleaved(works, rounds, progress.advance)
    summary = spread(seconds * 1000).assign(floors=seconds.div(seconds["floor"], axis=0).median())
    return _rows(summary.rename_axis("case").reset_index())


def measure_sweeps() -> Rows:
    """Costs of whole studies, and of one study on a single worker.

    Raises:
        DataError: MNIST is missing; this is checked before any measurement.

    """
    load_data(MNIST)
    alone = "article_dying, 50 runs"
    sweeps = [
        *((name, words, 2) for name, words in STUDIES.items()),
        (alone, STUDIES[alone], 1),
        (f"{alone}, 2 writers", [*STUDIES[alone], "hydra.launcher.writers=2"], 1),
    ]
    found: list[Costs] = []
    with LateProgress("sweeps", len(sweeps)) as progress:
        for name, words, workers in sweeps:
            with TemporaryDirectory(prefix="actscope-bench-") as scratch:
                found.append(costs_of(name, words, workers, Path(scratch)))
            progress.advance()
    return _rows(pd.DataFrame(map(asdict, found)))


def measure_growth(
    grow: Callable[[int, int, Path], Iterable[Growth]], sizes: Sequence[int]
) -> Rows:
    """Seconds and memory of each part of a study, by the number of points."""
    found: list[Growth] = []
    with LateProgress("points", sum(sizes)) as progress:
        for points in sizes:
            with TemporaryDirectory(prefix="actscope-bench-") as scratch:
                found += grow(points, 2, Path(scratch))
            progress.advance(points)
    frame = pd.DataFrame(map(asdict, found))
    frame["a_point"] = frame["wall"] / frame["points"] * 1000
    return _rows(frame)


def measure_own(rounds: int) -> dict[str, Rows]:
    """Time and bits of the gradients of many runs by torch.func, and one run at a time."""
    works = len(own.CASES) * len(own.STACKS) * (1 + len(own.WAYS))
    with LateProgress("gradients", (1 + rounds) * works) as progress:
        networks = own.networks(rounds, progress.advance)
    return {
        "networks": _rows(networks),
        "activations": _rows(own.activations()),
        "products": _rows(own.products()),
    }


def measure_gpu(device: torch.device) -> dict[str, Any]:
    """Run-steps a second by stack size, and seconds of whole studies."""
    with LateProgress("stacks", len(gpu.STACKS) + len(gpu.STUDIES)) as progress:
        stacks, studies = [], []
        for runs in gpu.STACKS:
            stacks.append(asdict(gpu.stacked(runs, device)))
            progress.advance()
        for study in gpu.STUDIES:
            studies.append(asdict(gpu.whole(study, device)))
            progress.advance()
    return {"card": name_of(device), "stacks": stacks, "studies": studies}


def as_markdown(found: dict[str, Any]) -> str:
    """The results as Markdown tables."""
    environment = Environment(
        loader=PackageLoader("benchmarks", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown of our own numbers
    )
    nothing: dict[str, Any] = {
        "rivals": [],
        "commands": [],
        "steps": [],
        "sweeps": [],
        "growth": [],
        "server": [],
        "own": {},
        "gpu": {},
    }
    return environment.get_template("bench.md.j2").render({**nothing, **found})


def draw(sweeps: Rows) -> Figure:
    """A bar chart of the CPU seconds of each sweep and its report, by part."""
    figure = Figure(figsize=(8, 0.8 + 0.7 * len(sweeps)), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    names = [f"{s['study']}; workers: {s['workers']}" for s in sweeps]
    left = [0.0] * len(sweeps)
    for (part, colour), hatch in zip(PART_COLOURS.items(), HATCHES, strict=True):
        widths = [sweep[part] for sweep in sweeps]
        ax.barh(names, widths, left=left, color=colour, label=part, hatch=hatch, edgecolor="white")
        left = [start + width for start, width in zip(left, widths, strict=True)]
    ax.invert_yaxis()
    ax.set_xlabel("CPU seconds of all processes together")
    figure.legend(loc="outside upper center", ncols=len(PART_COLOURS), frameon=False)
    return figure


def _rows(frame: pd.DataFrame) -> Rows:
    return [dict(row) for row in frame.to_dict("records")]  # type: ignore[arg-type]


def _processor() -> str:
    """The name of the processor, if the system gives it."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    return found.group(1) if found else platform.processor() or platform.machine()
