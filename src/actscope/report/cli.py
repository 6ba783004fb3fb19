"""The command line `python -m actscope.report`: what is asked for."""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from actscope.command_line.settings import OneLineParser, exit_code
from actscope.errors import ConfigError
from actscope.report.settings import Settings, read_settings
from actscope.runtime import forkserver, startup

HELP = """\
examples:
  python -m actscope.report study=quickstart
  python -m actscope.report study=article_dying report.seed=3
  python -m actscope.report report.folder=/tmp/reports tracking.uri=sqlite:////tmp/mlflow.db
  python -m actscope.report report.compare=[quickstart,mine]
  python -m actscope.report figure final_accuracy study=quickstart
  python -m actscope.report claims
  python -m actscope.report article

commands, a first word without "=":
  claims               print the claims of conf/claims/ and what the runs say of each
  article              build reports/article/: those claims, then each of the article's studies
  figure NAME          write one figure of a study's report, as it has it; a wrong NAME lists them

settings, with their defaults in conf/report.yaml:
  study=NAME           the study whose runs are read
  report.seed=N        whose trajectories are drawn (20170523, or the smallest)
  report.folder=PATH   where the report's own folder is made (reports, in the project)
  report.attach=BOOL   whether its pages also go to the newest sweep's artifacts (true)
  report.processes=N   among which the work is shared, 1: none but this (one a core)
  report.compare=[A,B] two studies side by side, in reports/A+B/; study=, report.seed= and
                       report.attach= have no bearing on it (null: the report of study=)
  tracking.uri=URI     the store (mlruns/mlflow.db of the project, or MLFLOW_TRACKING_URI)

The same runs give the same files, byte for byte.
"""
COMMAND_WORDS = ("article", "build", "claims", "figure")
WORKER_IMPORTS = [
    "actscope.artifacts.drawing",  # before what imports matplotlib
    "actscope.report.pages.study_page",
    # These are loaded late, by those who first read a table or save a figure.
    "pyarrow.parquet",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
]


def main(arguments: Sequence[str] | None = None, *, processes: int = 1) -> int:
    """Do what the command line asks; the exit code.

    `processes`: of report.processes, where that is not given.
    """

    def obey() -> int:
        command, given, overrides = _command_of(_command_line().parse_args(arguments).overrides)
        settings = read_settings(overrides)
        if settings.report.compare is not None:
            command = _comparing(command)
        if settings.report.processes is None:
            settings = replace(settings, report=replace(settings.report, processes=processes))
        with _forkserver(command, settings):
            # Takes seconds to import, at the same time as the helpers do.
            with startup.heavy():
                import actscope.artifacts.drawing  # noqa: F401 - before what imports matplotlib
                from actscope.report.build import COMMANDS

            COMMANDS[command](settings, *given)
        return 0

    return exit_code(obey)


def _comparing(command: str) -> str:
    """What a command becomes by report.compare."""
    if command == "build":
        return "compare"
    raise ConfigError(
        "report.compare: it makes a report of its own; give it without a command before it"
    )


def _forkserver(command: str, settings: Settings) -> AbstractContextManager[None]:
    """A process from which others are forked to help, if there is a report to be built by many."""
    if command in ("claims", "figure") or settings.report.processes == 1:
        return nullcontext()
    return forkserver.running(WORKER_IMPORTS)


def _command_line() -> OneLineParser:
    parser = OneLineParser(
        prog="actscope report",
        description="Build the report of a study: reports/<study>/index.html, tables, figures.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("overrides", nargs="*", metavar="setting=value", help="see below")
    return parser


def _command_of(words: Sequence[str]) -> tuple[str, Sequence[str], Sequence[str]]:
    """The command that the first word names, what it is given, and the overrides behind them.

    `build` where it is an override.
    """
    match words:
        case ["figure", name, *overrides] if not _is_override(name):
            return "figure", [name], overrides
        case [word, *overrides] if word in COMMAND_WORDS:
            return word, [], overrides
        case [word, *_] if not _is_override(word):
            known = ", ".join(COMMAND_WORDS)
            raise ConfigError(f"{word}: neither setting=value nor one of the commands {known}")
    return "build", [], words


def _is_override(word: str) -> bool:
    return "=" in word or word.startswith("~")
