"""The command `actscope`. It imports a sub-command only to run it."""

import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from typing import NamedTuple

from actscope.runtime import own_folder, signals, startup

HELP = """\
Which activation function learns at which learning rate, and how do the others die?

usage: actscope COMMAND [setting=value ...]

commands:
{commands}

  actscope COMMAND --help   show the settings of a command
  actscope --version        show the version
"""


class Command(NamedTuple):
    """A sub-command: a function of its name, which takes words and returns an exit code."""

    purpose: str
    module: str = "actscope.commands.settings"


TRAIN = "actscope.commands.train"
COMMANDS = {
    "init": Command("begin a study of a network of your own"),
    "train": Command("train one point and track it", TRAIN),
    "sweep": Command("train a grid of points and track each", TRAIN),
    "tune": Command("choose each rate by validation, and judge it", TRAIN),
    "plan": Command("show what a sweep would train", TRAIN),
    "status": Command("show the state of each point"),
    "report": Command("build the report of a study", "actscope.report.__main__"),
    "ui": Command("browse the runs in MLflow's UI"),
    "diff": Command("show where runs or studies differ"),
    "verify": Command("train a finished point again and compare"),
    "doctor": Command("check the store and fix problems"),
    "sync": Command("deliver queued runs to the store"),
    "bundle": Command("export a study, or import one"),
    "server": Command("run a tracking server for a team"),
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the sub-command that the first word names; return its exit code."""
    words = list(sys.argv[1:] if words is None else words)
    match words:
        case [] | ["-h" | "--help", *_]:
            lines = (f"  {name:9} {command.purpose}" for name, command in COMMANDS.items())
            sys.stdout.write(HELP.format(commands="\n".join(lines)))
            return 0
        case ["--version", *_]:
            sys.stdout.write(f"actscope {version('actscope')}\n")
            return 0
        case [name, *rest] if name in COMMANDS:
            return _run(name, rest)
    near = get_close_matches(words[0], COMMANDS, 1)
    hint = f"Did you mean {near[0]}? " if near else ""
    known = ", ".join(COMMANDS)
    sys.stderr.write(f"actscope: {words[0]}: unknown command. {hint}Choose one of {known}.\n")
    return 2


def _run(name: str, words: Sequence[str]) -> int:
    own_folder.offer_packages()
    try:
        with startup.without_gc():
            module = import_module(COMMANDS[name].module)
            command: Callable[[Sequence[str]], int] = getattr(module, name)
    except KeyboardInterrupt as reason:
        return signals.exit_code(reason)
    return command(words)
