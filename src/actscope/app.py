"""The command line, through Hydra: train one point, or with `-m` a whole grid."""

import json
import math
import os
import secrets
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from actscope import forkserver, imports, interrupts, output
from actscope.config import (
    Point,
    check_words,
    parse_device,
    parse_point,
    parse_sweep,
    parse_tracking,
    plain,
)
from actscope.errors import ActscopeError, ConfigError, StoreError, SweepError, of_system
from actscope.project import CONF, ROOT
from hydra_plugins.actscope_launcher.launcher import Job, Means, trains_grids_with

WORKERS_IMPORT = [
    "actscope.sharing",
    "distributed.nanny",
    # What they would import one by one as they log their first runs.
    "mlflow.store.tracking.sqlalchemy_store",
    "actscope.picture",
]
WANTS_TRACEBACK = "HYDRA_FULL_ERROR" in os.environ

OmegaConf.register_new_resolver("project", lambda folder: str(ROOT / folder), replace=True)


def run() -> None:
    """Entry point: a user's mistake ends as one line and a non-zero exit code."""
    # Hydra otherwise prints errors itself and leaves nothing for the lines below.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with interrupts.remembered(), output.guarded():
            check_words(sys.argv[1:])
            main()
    except KeyboardInterrupt as reason:
        interrupts.ignore()
        sys.exit(output.tell_end(reason))
    except (ActscopeError, HydraException, OmegaConfBaseException) as error:
        end_with(error)
    except OSError as error:
        end_with(of_system(error))


def end_with(error: Exception) -> NoReturn:
    """Tell an error in one line, or with its traceback where that is wanted, and exit."""
    if WANTS_TRACEBACK:
        traceback.print_exception(error)
    else:
        output.tell(one_line(error))
    sys.exit(getattr(error, "exit_code", ConfigError.exit_code))


def one_line(error: Exception) -> str:
    """Tell an error in one line: Hydra's own go on about search paths and how to add new keys."""
    text = str(error)
    for beside_the_point in (
        "Config search path:",
        "To append to your config",
        "See https://hydra",
    ):
        text = text.split(beside_the_point)[0]
    return " ".join(text.split())


def train_grid(jobs: Sequence[Job], folder: Path, means: Means) -> list[float | Exception]:
    """Train the points of a multirun together: of each its final test accuracy, or what went wrong.

    Raises:
        ActscopeError: a setting, the data or the store is wrong; nothing was trained then.

    """
    if not jobs:
        raise ConfigError("the grid is empty: give every axis a value, like seed=range(5)")
    points = [parse_point(job.config) for job in jobs]
    settings, rules = parse_tracking(jobs[0].config), parse_sweep(jobs[0].config)
    wanted = parse_device(jobs[0].config)

    has_workers_here = means.workers != 0 and means.scheduler is None and means.cluster is None
    with (
        forkserver.running(WORKERS_IMPORT)
        if has_workers_here and not rules.dry_run
        else nullcontext()
    ):
        # Heavy imports wait until the settings are known to be right.
        with imports.heavy():
            from actscope import stacks, sweep
            from actscope.device import choose_device

        console = Console(highlight=False)
        resources = stacks.Resources.checked(means, choose_device(wanted))
        unique = drop_repeated(points, console)
        if rules.dry_run:
            sweep.plan_sweep(unique, settings, resources, console, rules)
            return [math.nan] * len(points)
        write_jobs(jobs, folder / "points.jsonl")
        results = sweep.run_sweep(unique, settings, _sweep_id(folder), resources, console, rules)
    return [sweep.accuracy_or_error(results[point]) for point in points]


@trains_grids_with(train_grid)
def train_point(config: DictConfig) -> float:
    """Train and track one point: a single run, or a job of any launcher but actscope's own.

    Returns its final test accuracy, NaN where it diverged, for sweepers that optimise.
    """
    try:
        return _train_alone(config)
    except ActscopeError as error:
        if HydraConfig.get().mode is RunMode.RUN:
            end_with(error)  # before Hydra puts a line of its own above ours
        raise


def _train_alone(config: DictConfig) -> float:
    point = parse_point(config)
    settings, rules, wanted = parse_tracking(config), parse_sweep(config), parse_device(config)

    with imports.heavy():
        from actscope import stacks, sweep
        from actscope.device import choose_device

    sweep_id = _sweep_id(Path(HydraConfig.get().runtime.output_dir))
    console = Console(highlight=False)
    if rules.dry_run:
        alone = stacks.Resources(workers=0, stack_size=1)
        sweep.plan_sweep([point], settings, alone, console, rules)
        return math.nan
    device = choose_device(wanted)
    result = sweep.run_alone(point, settings, sweep_id, console, rules, device)
    accuracy = sweep.accuracy_or_error(result)
    if isinstance(accuracy, SweepError):
        raise accuracy
    return accuracy


def _sweep_id(folder: Path) -> str:
    """The folder's name, and something that tells sweeps apart that are given the same folder."""
    return f"{folder.name}-{secrets.token_hex(2)}"


main = hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(train_point)


def drop_repeated(points: Sequence[Point], console: Console) -> list[Point]:
    """Keep each point once, naming those that the grid holds more often."""
    unique: dict[Point, int] = {}
    for point in points:
        unique[point] = unique.get(point, 0) + 1
    for point, times in unique.items():
        if times > 1:
            console.print(f"{point}: written {times} times in the grid, trained once")
    return list(unique)


def write_jobs(jobs: Sequence[Job], path: Path) -> None:
    """Write a line a job: its number, overrides and resolved configuration.

    One file where Hydra writes three a job: that takes it longer than a small point's training.
    """
    lines = [
        json.dumps({"job": number, "overrides": list(job.overrides), "config": plain(job.config)})
        for number, job in enumerate(jobs)
    ]
    try:
        path.write_text("".join(f"{line}\n" for line in lines))
    except OSError as error:  # which names no file where the disk is full
        raise StoreError(f"{path}: {error.strerror}") from error
