"""The report on a tuned study, as files: page, figures, tables, manifest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from actscope.analysis.claims.claims import ClaimResult, tally
from actscope.analysis.frames import StudyRuns
from actscope.analysis.judged_study import JudgedStudy
from actscope.analysis.searched_study import SearchedStudy
from actscope.report import manifest
from actscope.report.explorer import explore
from actscope.report.pages.overview import tuned_map
from actscope.report.pages.page import (
    Chapter,
    Section,
    begin_drawing,
    gather_sections,
    render_page,
    slides_of,
    take_first_picture,
)
from actscope.report.pages.study_page import REBUILD
from actscope.report.pages.tuned_sections import contents
from actscope.report.process_pool import WorkerPool
from actscope.report.run_digests import read_digests
from actscope.report.tables import tuned as tables
from actscope.report.tables.claims import claim_files
from actscope.report.templates import environment
from actscope.report.text import methods, tuned, tuned_methods
from actscope.report.text.author_notes import author_notes
from actscope.tracking import Store


def build(
    store: Store,
    study: JudgedStudy,
    results: Sequence[ClaimResult],
    pool: WorkerPool,
    on_step: Callable[[], None] = lambda: None,
) -> dict[str, bytes]:
    """All files of the report by their names; they are the same for every pool.

    `results`: of the claims about the study. `on_step` is called after each picture, each group of
    tables, and each run that the explorer shows.
    """
    sections, files = gather_sections(begin_drawing(contents(store, study), pool), on_step)
    files |= tables.further_files(study) | (claim_files(results) if results else {})
    files["index.html"] = render_page(study.name, [_chapter(study, sections, results)], [])
    _, series = read_digests(store, _explored(study), pool, on_step)
    files[explore.NAME] = explore.build(study.name, {"": study.judges}, series)
    missing = _missing(study)
    judges = replace(study.judges, missing=missing, grid_size=_grid_size(study))
    tuning = replace(study.tuning, missing=missing.head(0), grid_size=len(study.trial_runs))
    manifests = [manifest.study_manifest(runs, None) for runs in (judges, tuning)]
    files["manifest.json"] = manifest.manifest(manifests, results, files)
    return files


def steps(study: JudgedStudy) -> int:
    """How often `build` calls `on_step`, at most."""
    pictures = 9 + 2 * len(study.trial_runs[study.factors.settings].drop_duplicates())
    return pictures + len(_explored(study).used)


def _explored(study: JudgedStudy) -> StudyRuns:
    """The runs in the explorer: those that judge with the first seed, one a cell and rate."""
    runs = study.judges.runs
    return replace(study.judges, runs=runs[runs["seed"] == study.judges.used["seed"].min()])


def _grid_size(study: JudgedStudy) -> int:
    return int(study.judged["wanted"].sum())


def _missing(study: JudgedStudy) -> pd.DataFrame:
    """The cells and rates that lack runs which judge them, with their number."""
    short = study.judged.assign(missing=study.judged["wanted"] - study.judged["runs"])
    return short.loc[short["missing"] > 0, [*study.factors.cell, "lr", "missing"]]


def _chapter(
    study: JudgedStudy, sections: Mapping[str, Section], results: Sequence[ClaimResult]
) -> Chapter:
    left_out = pd.concat([study.judges.left_out, study.tuning.left_out])
    first_picture, rest = take_first_picture(sections)
    body = environment.load("tuned.html.j2").render(
        answer=tuned.answer(study),
        counts=tuned.counts(study),
        is_searched=isinstance(study, SearchedStudy),
        gaps=tuned.gaps(study),
        missing=int(_missing(study)["missing"].sum()),
        grid_size=_grid_size(study),
        notes=list(tuned_methods.notes(study)),
        author_notes=author_notes(study.name, level=3),
        first_map=tuned_map(study.choices, study.judged, study.factors, study.metric),
        first_picture=first_picture,
        sections=rest,
        results=results,
        tally=tally(results),
        methods=tuned_methods.values(study),
        settings=methods.settings(study.judges),
        left_out=left_out.to_dict("records"),
        provenance=[
            *methods.provenance(study.judges),
            (REBUILD, f"make report STUDY={study.name}"),
        ],
    )
    return Chapter(study.name, "", body, slides_of(sections, ""))
