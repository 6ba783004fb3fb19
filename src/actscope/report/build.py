"""The commands of `python -m actscope.report`: read the runs of studies, write a report."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from actscope.analysis import comparison, frames
from actscope.analysis.claims import claims
from actscope.analysis.claims.claims import Claim, Evidence
from actscope.analysis.claims.records import stored_records
from actscope.analysis.frames import StudyRuns
from actscope.analysis.run_tables import UnreadableRunError
from actscope.analysis.study_analysis import analyse_stored
from actscope.analysis.tuned_study import is_tuned, read_tuned
from actscope.analysis.varying import LEARNING_RATE
from actscope.command_line import suggestions
from actscope.errors import ConfigError, ReportError, StoreError, first_line
from actscope.project import ROOT
from actscope.report import output_folder
from actscope.report.claims_list import read_studies
from actscope.report.film import film
from actscope.report.pages import (
    comparison_page,
    page,
    sections,
    study_page,
    tuned_page,
    tuned_sections,
)
from actscope.report.pages.page import Picture, Prose
from actscope.report.process_pool import WorkerPool, worker_pool
from actscope.report.settings import Settings
from actscope.runtime.progress import LateProgress
from actscope.tracking import Store, locate_store
from actscope.tracking.ui import attach_report

ARTICLE_STUDIES = ("article_width", "article_accuracy", "article_dying", "edge")
ARTICLE_TITLE = "The article, claim by claim"

Command = Callable[..., None]  # takes the settings, and for `figure` its name


# Makes the files of a report with a pool; calls the function after each step.
BuildFiles = Callable[[WorkerPool, Callable[[], None]], dict[str, bytes]]


def build(settings: Settings) -> None:
    """Write the report of a study and print the path of its page."""
    store, name = locate_store(settings.tracking), settings.study
    build_files: BuildFiles
    if _is_tuned(settings, store):
        study = read_tuned(store, name)
        evidence = Evidence({name: study.judges}, stored_records(store))
        results = claims.judge(_claims_about(name), evidence)
        build_files = partial(tuned_page.build, store, study, results)
        steps = tuned_page.steps(study)
    else:
        runs = frames.read_study(store, name, settings.report.axis)
        parts = [study_page.Part(runs, settings.report.seed)]
        build_files = partial(study_page.build, store, name, parts, _claims_about(name), {})
        steps = study_page.steps(parts)
    files = _write(settings, store, name, steps, build_files)
    if settings.report.attach:
        _attach(store, name, files)


def _is_tuned(settings: Settings, store: Store) -> bool:
    """Whether the study is tuned; then raise ConfigError if it is to be shown with other axes."""
    tuned = is_tuned(store, settings.study)
    if tuned and settings.report.axis != LEARNING_RATE:
        given = ",".join(settings.report.axes)
        raise ConfigError(
            f"report.axes=[{given}]: study {settings.study} is tuned, so each of its cells has a "
            "rate of its own. Remove report.axes."
        )
    return tuned


def _claims_about(study: str) -> list[Claim]:
    return [claim for claim in claims.read_claims() if claim.study == study]


def build_comparison(settings: Settings) -> None:
    """Write the report that compares two studies and print the path of its page."""
    assert settings.report.compare is not None
    store = locate_store(settings.tracking)
    first, second = (frames.read_study(store, name) for name in settings.report.compare)
    both = comparison.pair(first, second)
    # The name of a study has no plus sign, so this is no study's folder.
    folder = "+".join(both.names)
    _write(
        settings,
        store,
        folder,
        comparison_page.steps(both),
        partial(comparison_page.build, store, both),
    )


def write_figure(settings: Settings, name: str = "") -> None:
    """Write one figure of a study's report, and print the paths of its files.

    Raises:
        ConfigError: there is no figure of this name; the message lists all names.

    """
    store, study = locate_store(settings.tracking), settings.study
    if _is_tuned(settings, store):
        files = _drawn(name, study, tuned_sections.contents(store, read_tuned(store, study)))
    else:
        runs = frames.read_study(store, study, settings.report.axis)
        files = _of_readable(runs, partial(_draw, store, settings.report.seed, name))
    _add(files, settings)


def write_film(settings: Settings) -> None:
    """Write the film of a study's dying units, and print the paths of its files.

    Raises:
        ConfigError: the study has no runs as the settings under `film` ask for.
        ReportError: no run failed as a film needs it.

    """
    store, study = locate_store(settings.tracking), settings.study
    runs = frames.read_study(store, study)
    files = _of_readable(runs, partial(film.make, store, settings.report.seed, settings.film))
    _add(files, settings)


def _draw(store: Store, seed: int | None, name: str, runs: StudyRuns) -> dict[str, bytes]:
    """The files of one figure."""
    study = analyse_stored(store, runs)
    return _drawn(name, runs.study, sections.contents(store, study, frames.choose_seed(runs, seed)))


def _drawn(name: str, study: str, contents: Iterable[Picture | Prose]) -> dict[str, bytes]:
    picture = choose_picture(name, study, contents)
    rendered = page.render(picture.drawing(), is_for_slides=picture.is_for_slides)
    return page.DrawnPicture(picture, rendered).files


def _of_readable(
    runs: StudyRuns, make: Callable[[StudyRuns], dict[str, bytes]]
) -> dict[str, bytes]:
    """Files made of the runs that can be read; writes a line to stderr for each other one."""
    while True:
        try:
            return make(runs)
        except UnreadableRunError as error:
            sys.stderr.write(f"actscope: left out: {error}\n")
            runs = runs.without({error.run_id: error.reason})


def _add(files: Mapping[str, bytes], settings: Settings) -> None:
    """Write files into the study's report, and print their paths."""
    with _writing(settings, settings.study) as folder:
        paths = output_folder.add_files(files, folder)
    sys.stdout.writelines(f"{path}\n" for path in paths)


def choose_picture(name: str, study: str, contents: Iterable[Picture | Prose]) -> Picture:
    """The picture of this name, or a ConfigError that lists all names."""
    others = []
    for item in contents:
        if isinstance(item, Picture):
            if item.name == name:
                return item
            others.append(item.name)
    raise ConfigError(
        f"figure {name!r}: not in the report of {study}. Choose one of {', '.join(others)}."
    )


def build_article(settings: Settings) -> None:
    """Write one report on all of the article's studies that have finished runs."""
    store = locate_store(settings.tracking)
    stated = claims.read_claims()
    studies = read_studies(store, [*ARTICLE_STUDIES, *claims.studies_of(stated)])
    parts = [
        study_page.Part(studies[name], settings.report.seed, f"{name}/")
        for name in ARTICLE_STUDIES
        if name in studies
    ]
    if not parts:
        train = suggestions.training(ARTICLE_STUDIES[0], store)
        raise ReportError(
            f"No study of the article has a finished run. Train the first with `{train}`."
        )
    if len(metrics := {part.runs.metric: None for part in parts}) > 1:
        names = " and ".join(metric.words for metric in metrics)
        raise ReportError(
            f"The studies of the article are judged by different metrics, {names}. Train them all "
            "with one, as conf/experiment has them."
        )
    build_files = partial(study_page.build, store, ARTICLE_TITLE, parts, stated, studies)
    _write(settings, store, "article", study_page.steps(parts), build_files)


def _write(
    settings: Settings, store: Store, name: str, steps: int, build_files: BuildFiles
) -> Mapping[str, bytes]:
    """Write a report and print the path of its page; the files by name."""
    assert settings.report.processes is not None
    with _writing(settings, name) as folder:
        output_folder.recover(folder)
    with (
        LateProgress("reading and drawing", steps) as progress,
        worker_pool(settings.report.processes, store) as pool,
    ):
        files = build_files(pool, progress.advance)
    with _writing(settings, name) as folder:
        output_folder.replace_report(files, folder)
    sys.stdout.write(f"{folder / 'index.html'}\n")
    return files


def _attach(store: Store, study: str, files: Mapping[str, bytes]) -> None:
    """Copy the pages to the store. An error only writes a line to stderr."""
    pages = {name: data for name, data in files.items() if name.endswith(".html")}
    try:
        attach_report(store, study, pages)
    except StoreError as error:
        reason = " ".join(str(error).split())
        sys.stderr.write(f"actscope: cannot attach the report to its sweep: {reason}\n")


@contextmanager
def _writing(settings: Settings, name: str) -> Iterator[Path]:
    """The folder of a report; an OSError becomes a ReportError."""
    folder = ROOT / settings.report.folder / name
    try:
        yield folder
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise ReportError(
            f"report.folder={settings.report.folder}: cannot write {folder}: {reason}"
        ) from error


COMMANDS: dict[str, Command] = {
    "article": build_article,
    "build": build,
    "compare": build_comparison,
    "figure": write_figure,
    "film": write_film,
}
