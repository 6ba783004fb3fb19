"""Time that a person waits for each short command, on a store where quickstart is finished."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.timing import Spent, spent_by

ACTSCOPE = (str(Path(sys.executable).with_name("actscope")),)
HYDRA_ALONE = "Hydra's part of actscope plan"
COMMANDS = {
    "actscope --help": ("--help",),
    "actscope --version": ("--version",),
    "actscope status": ("status", "study=quickstart"),
    "actscope plan": ("plan",),
    HYDRA_ALONE: (),
    "actscope doctor": ("doctor",),
    "actscope sync": ("sync",),
    "actscope report claims": ("report", "claims"),
    "actscope sweep, nothing to do": ("sweep",),
    "actscope report": ("report", "study=quickstart"),
}


@dataclass(frozen=True)
class Waited:
    """Median seconds of a command."""

    command: str
    wall: float
    cpu: float  # of all processes


def waits(
    folder: Path,
    rounds: int,
    words: tuple[str, ...] = (),
    on_command: Callable[[], None] = lambda: None,
) -> list[Waited]:
    """Finish a sweep, with these settings besides quickstart's, then run all commands in turn.

    Raises:
        BenchError: a command failed.

    """
    spent_by(*_command(folder, "sweep", *words))
    spent: dict[str, list[Spent]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            spent[name].append(spent_by(*_words_of(folder, command, words)))
            on_command()
    return [
        Waited(name, median(one.wall for one in took), median(one.cpu for one in took))
        for name, took in spent.items()
    ]


def _words_of(
    folder: Path, command: tuple[str, ...], words: tuple[str, ...]
) -> tuple[list[str], dict[str, str]]:
    if not command:
        return [sys.executable, "-m", "benchmarks.hydra_alone"], {}
    more = words if command[0] in {"sweep", "plan"} else ()
    return _command(folder, *command, *more)


def _command(folder: Path, name: str, *words: str) -> tuple[list[str], dict[str, str]]:
    places = {
        "sweep": [f"hydra.sweep.dir={folder}/outputs"],
        "plan": [f"hydra.sweep.dir={folder}/outputs"],
        "report": [f"report.folder={folder}/reports"],
    }
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlruns/mlflow.db"}
    return [*ACTSCOPE, name, *words, *places.get(name, [])], environment
