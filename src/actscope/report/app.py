"""The command `python -m actscope.report`: read a study's runs, write its report."""

import argparse
import reprlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Protocol

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actscope import tracking
from actscope.command import OneLineParser, exit_code
from actscope.config import CLOSED, Bool, Int, Name, Tracking, check_words, parse, plain
from actscope.errors import ConfigError, MissingStudyError, ReportError, StoreError
from actscope.progress import LateProgress
from actscope.project import CONF, ROOT
from actscope.report import claims, compare, compare_page, crew, frames, page, sections
from actscope.report.checks import Ruling
from actscope.report.claims import Claim, Evidence, ReadFates, Verdict
from actscope.report.crew import Crew
from actscope.report.digests import Stored
from actscope.report.frames import StudyRuns
from actscope.report.sections import Picture, Prose
from actscope.tracking import Store

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
ARTICLE_STUDIES = ("article_width", "article_accuracy", "article_dying", "edge")
ARTICLE_TITLE = "The article, claim by claim"


def _check_two(names: object) -> object:
    match names:
        case None:
            return names
        case [first, second] if first != second:
            return names
    raise ValueError(
        f"report.compare={reprlib.repr(names)}: give two different studies, as [quickstart,mine]"
    )


@dataclass(frozen=True, config=CLOSED)
class Report:
    """Whose trajectories are drawn; where the report goes; who makes it.

    `attach`: whether its pages also go to the store. `processes`: among which the work is shared.
    `compare`: two studies that it puts side by side, in place of the report of one.
    """

    seed: Annotated[Int, Field(ge=0)] | None = None
    folder: Annotated[str, Field(min_length=1, max_length=1000)] = "reports"
    attach: Bool = True
    processes: Annotated[Int, Field(ge=1)] | None = None
    compare: Annotated[tuple[Name, ...] | None, BeforeValidator(_check_two)] = None


@dataclass(frozen=True, config=CLOSED)
class Settings:
    study: Name
    report: Report
    tracking: Tracking


Command = Callable[[Settings], None]


class BuildFiles(Protocol):
    """Makes the files of a report with a crew, and calls `on_step` as it goes on."""

    def __call__(self, *, crew: Crew, on_step: Callable[[], None]) -> dict[str, bytes]: ...


def main(arguments: Sequence[str] | None = None, *, processes: int = 1) -> int:
    """Do what the command line asks; the exit code.

    `processes`: of report.processes, where that is not given.
    """

    def obey() -> int:
        command, overrides = _command_of(_command_line().parse_args(arguments).overrides)
        settings = read_settings(overrides)
        if settings.report.compare is not None:
            command = _comparing(command)
        if settings.report.processes is None:
            settings = replace(settings, report=replace(settings.report, processes=processes))
        command(settings)
        return 0

    return exit_code(obey)


def _comparing(command: Command) -> Command:
    """What a command becomes by report.compare."""
    if command is build:
        return build_comparison
    raise ConfigError(
        "report.compare: it makes a report of its own; give it without a command before it"
    )


def build(settings: Settings) -> None:
    """Write the report of a study and print where its page is."""
    store, study = tracking.locate_store(settings.tracking), settings.study
    runs = frames.read_study(store, study)
    own = [claim for claim in claims.read_claims() if claim.study == study]
    parts = [page.Part(runs, frames.choose_seed(runs, settings.report.seed))]
    judge = partial(_judged, own, {study: runs})
    build_files = partial(page.build, store, study, parts, judge=judge)
    files = _write(settings, store, study, page.steps(parts), build_files)
    if settings.report.attach:
        _attach(store, study, files)


def build_comparison(settings: Settings) -> None:
    """Write the report on two studies side by side and print where its page is."""
    assert settings.report.compare is not None
    store = tracking.locate_store(settings.tracking)
    first, second = (frames.read_study(store, name) for name in settings.report.compare)
    both = compare.pair(first, second)
    # No study is called so: its name has no plus sign.
    folder = "+".join(both.names)
    _write(
        settings, store, folder, compare_page.steps(both), partial(compare_page.build, store, both)
    )


def write_figure(name: str, settings: Settings) -> None:
    """Write one figure of a study's report, without drawing the others, and print its paths."""
    store, study = tracking.locate_store(settings.tracking), settings.study
    runs = frames.read_study(store, study)
    seed = frames.choose_seed(runs, settings.report.seed)
    contents = sections.contents(store, runs, seed, Stored(store, runs))
    picture = choose_picture(name, study, contents)
    files = sections.Illustration(picture, sections.render(picture.task())).files
    with _writing(settings, study) as folder:
        paths = page.write(files, folder)
    sys.stdout.writelines(f"{path}\n" for path in paths)


def choose_picture(name: str, study: str, contents: Iterable[Picture | Prose]) -> Picture:
    """The picture of that name, or a ConfigError that lists those there are."""
    others = []
    for item in contents:
        if isinstance(item, Picture):
            if item.name == name:
                return item
            others.append(item.name)
    raise ConfigError(f"figure {name!r}: the report of {study} has {', '.join(others)}")


def build_article(settings: Settings) -> None:
    """Write one report on all of the article's studies that have finished runs."""
    store = tracking.locate_store(settings.tracking)
    stated = claims.read_claims()
    studies = read_studies(store, [*ARTICLE_STUDIES, *claims.studies_of(stated)])
    parts = [
        page.Part(
            studies[name], frames.choose_seed(studies[name], settings.report.seed), f"{name}/"
        )
        for name in ARTICLE_STUDIES
        if name in studies
    ]
    if not parts:
        raise ReportError("none of the article's studies has a finished run: `make article` trains")
    judge = partial(_judged, stated, studies)
    build_files = partial(page.build, store, ARTICLE_TITLE, parts, judge=judge)
    _write(settings, store, "article", page.steps(parts), build_files)


def print_claims(settings: Settings) -> None:
    """Print every claim with what the runs say of it."""
    store = tracking.locate_store(settings.tracking)
    stated = claims.read_claims()
    evidence = Evidence(read_studies(store, claims.studies_of(stated)), claims.stored_fates(store))
    table = Table(show_lines=True)
    for heading in ("id", "claim", "verdict", "numbers"):
        table.add_column(heading, no_wrap=heading == "id")
    verdicts = claims.judge(stated, evidence)
    for verdict in verdicts:
        is_open = verdict.ruling is Ruling.INCONCLUSIVE
        last = [verdict.advice] if is_open else []
        numbers = "\n".join([*verdict.numbers, *last])
        cells = (verdict.claim.id, verdict.claim.text, verdict.in_words, numbers)
        table.add_row(*(Text(cell) for cell in cells))
    console = Console()
    console.print(table)
    console.print(claims.tally(verdicts))
    not_run = [verdict.advice for verdict in verdicts if verdict.ruling is Ruling.NOT_RUN]
    for command in dict.fromkeys(not_run):
        console.print(f"to run: {command}", soft_wrap=True, markup=False, highlight=False)


def read_studies(store: Store, names: Sequence[str]) -> dict[str, StudyRuns]:
    """Those of the studies that have a finished run, by name.

    Raises:
        StoreError: there is a store, and it cannot be read.

    """
    found = {}
    for name in dict.fromkeys(names):
        with suppress(MissingStudyError, ReportError):
            found[name] = frames.read_study(store, name)
    return found


def _write(
    settings: Settings, store: Store, name: str, steps: int, build_files: BuildFiles
) -> Mapping[str, bytes]:
    """Write a report and print where its page is; its files by their names."""
    assert settings.report.processes is not None
    with (
        LateProgress("reading and drawing", steps) as progress,
        crew.hired(settings.report.processes, store) as hands,
    ):
        files = build_files(crew=hands, on_step=progress.advance)
    with _writing(settings, name) as folder:
        page.replace(files, folder)
    sys.stdout.write(f"{folder / 'index.html'}\n")
    return files


def _judged(
    stated: Sequence[Claim], studies: Mapping[str, StudyRuns], read_fates: ReadFates
) -> Sequence[Verdict]:
    return claims.judge(stated, Evidence(studies, read_fates))


def _attach(store: Store, study: str, files: Mapping[str, bytes]) -> None:
    """Put a report's pages into the store as well; that it takes none is told and no failure."""
    pages = {name: data for name, data in files.items() if name.endswith(".html")}
    try:
        tracking.attach_report(store, study, pages)
    except StoreError as error:
        reason = " ".join(str(error).split())
        sys.stderr.write(f"actscope: the report is not attached to its sweep: {reason}\n")


@contextmanager
def _writing(settings: Settings, name: str) -> Iterator[Path]:
    """The folder of a report; that it cannot be written is a ReportError."""
    folder = ROOT / settings.report.folder / name
    try:
        yield folder
    except OSError as error:
        raise ReportError(f"report.folder: {folder} cannot be written: {error.strerror}") from error


COMMANDS: dict[str, Command] = {
    "article": build_article,
    "build": build,
    "claims": print_claims,
    "figure": partial(write_figure, ""),  # which no figure is called: it lists them
}


def read_settings(overrides: Sequence[str]) -> Settings:
    """Compose conf/report.yaml with the overrides and check it, or raise ConfigError."""
    check_words(overrides)
    try:
        with initialize_config_dir(str(CONF), job_name="actscope-report", version_base="1.3"):
            config = compose("report", overrides=list(overrides))
    except OverrideParseException as error:
        raise ConfigError(f"{error.override}: {_in_a_line(error)}") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_in_a_line(error)) from error
    return parse(Settings, plain(config))


def _command_line() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m actscope.report",
        description="Build the report of a study: reports/<study>/index.html, tables, figures.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("overrides", nargs="*", metavar="setting=value", help="see below")
    return parser


def _command_of(words: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """The command that the first word names, if it is no override; else to build the report."""
    match words:
        case ["figure", name, *overrides] if not _is_override(name):
            return partial(write_figure, name), overrides
        case [word, *overrides] if word in COMMANDS:
            return COMMANDS[word], overrides
        case [word, *_] if not _is_override(word):
            known = ", ".join(sorted(COMMANDS))
            raise ConfigError(f"{word}: neither setting=value nor one of the commands {known}")
    return build, words


def _is_override(word: str) -> bool:
    return "=" in word or word.startswith("~")


def _in_a_line(error: Exception) -> str:
    """What Hydra says, without its advice to add settings that are then refused as unknown."""
    lines = [line.strip() for line in str(error).splitlines()]
    noise = (
        "To append to your config",
        "full_key:",
        "object_type=",
        "See https:",
        "Set the environment variable",
    )
    text = " ".join(line for line in lines if line and not line.startswith(noise))
    is_unknown = text.startswith("Could not override")
    return f"{text} There is no such setting in conf/report.yaml" if is_unknown else text
