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
    """A sub-command: a function that takes words and returns an exit code."""

    module: str
    function: str
    purpose: str


COMMANDS = {
    "init": Command("actscope.commands.settings", "init", "begin a study of a network of your own"),
    "train": Command("actscope.commands.train", "train", "train one point and track it"),
    "sweep": Command("actscope.commands.train", "sweep", "train a grid of points and track each"),
    "tune": Command(
        "actscope.commands.train", "tune", "choose each rate by validation, and judge it"
    ),
    "plan": Command("actscope.commands.train", "plan", "show what a sweep would train"),
    "status": Command("actscope.commands.settings", "status", "show the state of each point"),
    "report": Command("actscope.report.__main__", "run", "build the report of a study"),
    "ui": Command("actscope.commands.settings", "ui", "browse the runs in MLflow's UI"),
    "diff": Command("actscope.commands.settings", "diff", "show where runs or studies differ"),
    "verify": Command(
        "actscope.commands.settings", "verify", "train a finished point again and compare"
    ),
    "doctor": Command("actscope.commands.settings", "doctor", "check the store and fix problems"),
    "sync": Command("actscope.commands.settings", "sync", "deliver queued runs to the store"),
    "bundle": Command("actscope.commands.settings", "bundle", "export a study, or import one"),
    "server": Command("actscope.commands.settings", "server", "run a tracking server for a team"),
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
            return _run(COMMANDS[name], rest)
    near = get_close_matches(words[0], COMMANDS, 1)
    hint = f"Did you mean {near[0]}? " if near else ""
    known = ", ".join(COMMANDS)
    sys.stderr.write(f"actscope: {words[0]}: unknown command. {hint}Choose one of {known}.\n")
    return 2


def _run(command: Command, words: Sequence[str]) -> int:
    own_folder.offer_packages()
    try:
        with startup.without_gc():
            function: Callable[[Sequence[str]], int] = getattr(
                import_module(command.module), command.function
            )
    except KeyboardInterrupt as reason:
        return signals.exit_code(reason)
    return function(words)
