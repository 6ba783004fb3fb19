"""The command line of `python -m actscope.report`."""

import argparse
import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from actscope.analysis.varying import LEARNING_RATE
from actscope.command_line.settings import OneLineParser, exit_code
from actscope.errors import ConfigError
from actscope.report.settings import Settings, read_settings
from actscope.runtime import forkserver, startup

HELP = """\
examples:
  python -m actscope.report study=quickstart
  python -m actscope.report study=article_dying report.seed=3
  python -m actscope.report report.folder=/tmp/reports tracking.uri=sqlite:////tmp/mlflow.db
  python -m actscope.report study=widths report.axes=[activation,model.width]
  python -m actscope.report report.compare=[quickstart,mine]
  python -m actscope.report figure final_accuracy study=quickstart
  python -m actscope.report film study=article_dying film.activation=selu
  python -m actscope.report claims --json
  python -m actscope.report article

commands, a first word without "=":
  claims               print the claims of conf/claims/ and the verdict on each
  article              build reports/article/: the claims, then each of the article's studies
  film                 write film.webp and film.png: units die at one rate, and live at a lower one
  figure NAME          write one figure of a study's report; without NAME, list all figures

settings, with their defaults in conf/report.yaml:
  study=NAME           the study to report on
  report.seed=N        draw the trajectories of this seed (20170523, or the smallest seed)
  report.folder=PATH   write the report into a folder in this one (reports, in the project)
  report.attach=BOOL   also attach the pages to the newest sweep in the store (true)
  report.axes=[activation,SETTING]
                       the columns of tables and the panels of figures are the values of a setting
                       that varies, like model.width ([activation,lr]: learning rates)
  report.processes=N   use N processes (one per core)
  report.compare=[A,B] compare two studies, in reports/A+B/. It ignores study=, report.seed= and
                       report.attach= (null: report on study=)
  film.activation=NAME the film's activation (null: the one that lost most units in a failed run)
  film.rates=[A,B]     the film's two rates (null: that run's, and the largest lower one at which
                       all seeds learned)
  film.layer=N         the hidden layer whose units the film shows (1)
  tracking.uri=URI     the store (mlruns/mlflow.db of the project, or MLFLOW_TRACKING_URI)

The same runs always give the same files, byte for byte.
"""
# A figure has tens of thousands of objects, and by default each 700 start a search for garbage.
NEW_OBJECTS = 50_000
COMMAND_WORDS = ("article", "build", "claims", "figure", "film")


def main(arguments: Sequence[str] | None = None, *, processes: int = 1) -> int:
    """Run the command line; returns the exit code.

    `processes`: the default of report.processes.
    """

    def run() -> int:
        words = _command_line().parse_intermixed_args(arguments)
        command, given, overrides = _command_of(words.overrides)
        if words.json and command != "claims":
            raise ConfigError(f"--json: works only with the command claims, not with {command}.")
        settings = read_settings(overrides)
        if settings.report.compare is not None:
            command = _comparing(command)
        _check_axes(command, settings)
        if settings.report.processes is None:
            settings = replace(settings, report=replace(settings.report, processes=processes))
        with startup.without_gc():
            do = _claims(as_json=words.json) if command == "claims" else _function_of(command)
        do(settings, *given)
        return 0

    return exit_code(run)


def _claims(*, as_json: bool) -> Callable[..., None]:
    from actscope.report.claims_list import print_claims, print_claims_as_json

    return print_claims_as_json if as_json else print_claims


def _function_of(command: str) -> Callable[..., None]:
    os.environ.update(forkserver.ENVIRONMENT)  # before numpy is imported
    import actscope.artifacts.drawing  # noqa: F401 - before what imports matplotlib
    from actscope.report.build import COMMANDS

    gc.set_threshold(NEW_OBJECTS)
    return COMMANDS[command]


def _comparing(command: str) -> str:
    """The command that report.compare turns a command into."""
    if command == "build":
        return "compare"
    raise ConfigError(
        f"report.compare: cannot be used with the command {command!r}. Remove one of the two."
    )


def _check_axes(command: str, settings: Settings) -> None:
    """Raise ConfigError if other axes are given to a command that has none."""
    if settings.report.axis != LEARNING_RATE and command not in ("build", "figure"):
        given = "report.compare" if command == "compare" else f"the command {command!r}"
        raise ConfigError(
            f"report.axes=[{','.join(settings.report.axes)}]: cannot be used with {given}. Remove "
            "one of the two."
        )


def _command_line() -> OneLineParser:
    parser = OneLineParser(
        prog="actscope report",
        description="Build the report of a study: reports/<study>/index.html, tables, figures.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("overrides", nargs="*", metavar="setting=value", help="see below")
    parser.add_argument("--json", action="store_true", help="with claims: print JSON")
    return parser


def _command_of(words: Sequence[str]) -> tuple[str, Sequence[str], Sequence[str]]:
    """The command, its arguments and the overrides; `build` where no command is named."""
    match words:
        case ["figure", name, *overrides] if not _is_override(name):
            return "figure", [name], overrides
        case [word, *overrides] if word in COMMAND_WORDS:
            return word, [], overrides
        case [word, *_] if not _is_override(word):
            known = ", ".join(COMMAND_WORDS)
            raise ConfigError(f"{word}: unknown command. Give setting=value, or one of {known}.")
    return "build", [], words


def _is_override(word: str) -> bool:
    return "=" in word or word.startswith("~")
