"""Train one point, or with `-m` a grid; Hydra reads the command line."""

import json
import os
import secrets
import sys
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from actscope.command_line import hydra_errors
from actscope.command_line.hydra_credentials import hide_credentials
from actscope.command_line.settings import OneLineParser
from actscope.command_line.words import check_tunes, check_words
from actscope.config import Point, Tracking
from actscope.credentials import scrub, scrub_all
from actscope.errors import ActscopeError, ConfigError, StoreError, SweepError, of_system
from actscope.network_settings import OwnNetwork
from actscope.parsing import (
    parse_device,
    parse_point,
    parse_sweep,
    parse_tracking,
    parse_tuning,
    plain,
)
from actscope.project import CONF, ROOT
from actscope.runtime import output, signals, startup
from actscope.runtime.own_folder import hidden_files
from actscope.sweep.launcher_settings import LauncherSettings
from actscope.sweep.worker_imports import preloaded
from hydra_plugins.actscope_launcher.launcher import Job, trains_grids_with

WANTS_TRACEBACK = "HYDRA_FULL_ERROR" in os.environ
NOT_TRAINED = "not trained"  # value of a point in a dry run
TUNED = "tuned"  # value of each job of a tuned sweep
COMPLETIONS = {"install", "uninstall", "query"}  # actions of --shell-completion

OmegaConf.register_new_resolver("project", lambda folder: str(ROOT / folder), replace=True)


def train(words: Sequence[str]) -> int:
    """Train one point; return the exit code."""
    sys.argv[1:] = words  # where Hydra reads them
    return run()


def sweep(words: Sequence[str]) -> int:
    """Train a grid; return the exit code."""
    return train(["--multirun", *words])


def plan(words: Sequence[str]) -> int:
    """Show what a sweep would train; return the exit code."""
    return train(["--multirun", "sweep.dry_run=true", *words])


def tune(words: Sequence[str]) -> int:
    """Tune and judge the cells of a grid; return the exit code."""
    chosen = [word for word in words if word.startswith("tuning=")]
    return train(["--multirun", *([] if chosen else ["tuning=standard"]), *words])


def run() -> int:
    """Do what the command line says. A user's mistake is printed as one line."""
    # By default Hydra prints errors itself and does not raise them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with signals.installed(), output.guarded():
            _tell_hidden_files()
            sys.argv[1:] = options_first(hide_credentials(sys.argv[1:]))
            main()
    except KeyboardInterrupt as reason:
        signals.ignore()
        sys.exit(output.report_end(reason))
    except (ActscopeError, *hydra_errors.SETTINGS_ERRORS) as error:
        exit_with(hydra_errors.explain(error, sys.argv[1:]))
    except OSError as error:
        if hydra_errors.file_of(error):
            exit_with(hydra_errors.explain(error, sys.argv[1:]))
        exit_with(of_system(error))
    except Exception as error:
        if is_of_task(error):
            raise
        # Hydra and its plugins do not check all words and files, so these may raise any error.
        exit_with(hydra_errors.explain(error, sys.argv[1:]))
    return 0


def _tell_hidden_files() -> None:
    for path in hidden_files():
        output.print_error(f"{path}: is not used, as actscope has a file of this name. Rename it.")


def options_first(words: Sequence[str]) -> list[str]:
    """Reorder the words of the command line: options before settings, as Hydra requires.

    Raises:
        ConfigError: Hydra cannot use these words.

    """
    parser = OneLineParser(prog="actscope", parents=[get_args_parser()], add_help=False)
    given = parser.parse_intermixed_args(words)
    modes = {
        "--run": given.run,
        "--multirun": given.multirun,
        "--cfg": given.cfg,
        "--info": given.info,
        "--shell-completion": given.shell_completion,
    }
    chosen = [mode for mode, is_given in modes.items() if is_given]
    if len(chosen) > 1:
        raise ConfigError(f"{' '.join(chosen)}: exclude each other. Give one of them.")
    if given.resolve and not (given.cfg or given.help):
        raise ConfigError("--resolve: works only with --cfg. Give both.")
    if given.shell_completion and not COMPLETIONS & {w.partition("=")[0] for w in given.overrides}:
        raise ConfigError(
            "--shell-completion: the action is missing. Give install=bash or uninstall=bash; fish "
            "and zsh work too."
        )
    check_words(given.overrides)
    options = list(words)
    for setting in given.overrides:
        options.remove(setting)
    return [*options, *given.overrides]


def is_of_task(error: Exception) -> bool:
    """Whether an error was raised by the task that Hydra runs, not by Hydra itself."""
    own = (train_grid.__code__, _train_alone.__code__)
    return any(frame.f_code in own for frame, _ in traceback.walk_tb(error.__traceback__))


def exit_with(error: ActscopeError) -> NoReturn:
    """Print an error as one line, or with its traceback if HYDRA_FULL_ERROR is set, and exit."""
    if WANTS_TRACEBACK:
        sys.stderr.write(scrub("".join(traceback.format_exception(error))))
    else:
        output.print_error(str(error))
    sys.exit(error.exit_code)


def train_grid(jobs: Sequence[Job], folder: Path, launcher: LauncherSettings) -> list[Any]:
    """Train the points of a multirun together.

    Returns the final metric of each point on the test, or why it has none.

    Raises:
        ActscopeError: a setting, the data or the store is wrong; nothing was trained then.

    """
    if not jobs:
        raise ConfigError("The grid is empty. Give every axis a value, like seed=range(5).")
    points = [parse_point(job.config) for job in jobs]
    settings, rules = parse_tracking(jobs[0].config), parse_sweep(jobs[0].config)
    check_models(points, settings)
    tuning = parse_tuning(jobs[0].config)
    if tuning is not None:
        check_tunes(tuning, sys.argv[1:])
    wanted = parse_device(jobs[0].config)

    # Slow imports wait until the settings are checked.
    with startup.without_gc():
        from actscope.engine.device import choose_device
        from actscope.sweep import runner
        from actscope.sweep.plan import plan_sweep
        from actscope.sweep.resources import Resources
        from actscope.sweep.tuned_sweep import plan_tuned, run_tuned

    console = Console(highlight=False)
    resources = Resources.checked(launcher, choose_device(wanted))
    unique = drop_repeated(points, console)
    if rules.dry_run:
        if tuning is None:
            plan_sweep(unique, settings, resources, console, rules)
        else:
            plan_tuned(unique, tuning, settings, console)
        return [NOT_TRAINED] * len(points)
    write_jobs(jobs, folder / "points.jsonl")
    if tuning is not None:
        run_tuned(unique, tuning, settings, _sweep_id(folder), resources, console, rules)
        return [TUNED] * len(points)
    results = runner.run_sweep(unique, settings, _sweep_id(folder), resources, console, rules)
    return [runner.value_of(results[point]) for point in points]


def check_models(points: Sequence[Point], settings: Tracking) -> None:
    """Raise ConfigError if runs of a user's own network are to be logged as MLflow models."""
    own = (point.model.path for point in points if isinstance(point.model, OwnNetwork))
    if settings.model and (path := next(own, None)) is not None:
        raise ConfigError(
            f"tracking.model=true: works only with the built-in network, not with {path}. Use "
            "false: model.safetensors of each run has its weights."
        )


def workers_preloaded(
    config: DictConfig, launcher: LauncherSettings, points: int
) -> AbstractContextManager[None]:
    """Have workers' imports begin before the points are composed; `config`: what they share."""
    rules, settings = parse_sweep(config), parse_tracking(config)
    return preloaded(launcher, rules, settings, str(config.study), points)


@trains_grids_with(train_grid, workers_preloaded)
def train_point(config: DictConfig) -> float | str:
    """Train and track one point: a single run, or a job of any launcher but actscope's own.

    Returns its final metric on the test, for sweepers that optimise, or why it has none.
    """
    try:
        return _train_alone(config)
    except ActscopeError as error:
        if HydraConfig.get().mode is RunMode.RUN:
            exit_with(error)  # before Hydra prints a line of its own
        raise


def _train_alone(config: DictConfig) -> float | str:
    point = parse_point(config)
    settings, rules, wanted = parse_tracking(config), parse_sweep(config), parse_device(config)
    check_models([point], settings)

    with startup.without_gc():
        from actscope.engine.device import choose_device
        from actscope.sweep import runner
        from actscope.sweep.plan import plan_sweep
        from actscope.sweep.resources import Resources

    sweep_id = _sweep_id(Path(HydraConfig.get().runtime.output_dir))
    console = Console(highlight=False)
    if rules.dry_run:
        alone = Resources(workers=0, stack_size=1)
        plan_sweep([point], settings, alone, console, rules)
        return NOT_TRAINED
    device = choose_device(wanted)
    result = runner.run_alone(point, settings, sweep_id, console, rules, device)
    value = runner.value_of(result)
    if isinstance(value, SweepError):
        raise value
    return value


def _sweep_id(folder: Path) -> str:
    """The folder's name and a random suffix, as several sweeps may use the same folder."""
    return f"{folder.name}-{secrets.token_hex(2)}"


main = hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(train_point)


def drop_repeated(points: Sequence[Point], console: Console) -> list[Point]:
    """Keep each point once; print the points that the grid has more than once."""
    unique: dict[Point, int] = {}
    for point in points:
        unique[point] = unique.get(point, 0) + 1
    for point, times in unique.items():
        if times > 1:
            console.print(f"{point}: {times} times in the grid, trained once")
    return list(unique)


def write_jobs(jobs: Sequence[Job], path: Path) -> None:
    """Write one line a job: its number, overrides and resolved configuration, without credentials.

    Later batches of a sweeper append to the file. One file for all jobs, as Hydra's three files a
    job take longer than the training of a small point.
    """
    lines = [
        {"job": job.number, "overrides": list(job.overrides), "config": plain(job.config)}
        for job in jobs
    ]
    try:
        with path.open("a" if jobs[0].number else "w") as file:
            file.writelines(f"{json.dumps(scrub_all(line))}\n" for line in lines)
    except OSError as error:  # it names no file if the disk is full
        raise StoreError(f"{path}: {error.strerror}") from error
