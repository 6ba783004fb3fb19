"""The report on one or several studies, as files: page, explorer, figures, tables, manifest."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import pandas as pd

from actscope.analysis import frames
from actscope.analysis.claims.claims import Claim, Evidence, judge
from actscope.analysis.claims.records import stored_records
from actscope.analysis.frames import NoRunsError, StudyRuns
from actscope.analysis.ranking import ranked_by
from actscope.analysis.seeds_and_examples import RESAMPLES
from actscope.analysis.stats import INTERVAL
from actscope.analysis.study_analysis import StudyAnalysis
from actscope.command_line import suggestions
from actscope.metric import ACCURACY
from actscope.report import manifest
from actscope.report.explorer import explore
from actscope.report.pages.overview import overviews, show_best
from actscope.report.pages.page import (
    Chapter,
    Section,
    begin_drawing,
    gather_sections,
    render_page,
    slides_of,
    take_first_picture,
)
from actscope.report.pages.run_list import RunList
from actscope.report.pages.sections import contents
from actscope.report.process_pool import WorkerPool
from actscope.report.run_digests import read_digests
from actscope.report.tables import claims
from actscope.report.tables import study as study_tables
from actscope.report.templates import environment
from actscope.report.text import edge as edge_text
from actscope.report.text import methods
from actscope.report.text import study as study_text
from actscope.report.text.author_notes import author_notes
from actscope.tracking import Store
from actscope.tracking.ui import runs_in_ui

REBUILD = "build the study's report again"


@dataclass(frozen=True, eq=False)
class Part:
    """A study as a part of a report.

    `wanted_seed`: the seed whose trajectories are drawn, or None. `place`: the sub-folder of its
    figures and tables, as `article_dying/`, or '' where it is the only one.
    """

    runs: StudyRuns
    wanted_seed: int | None
    place: str = ""

    @cached_property
    def seed(self) -> int:
        """The seed whose trajectories are drawn."""
        return frames.choose_seed(self.runs, self.wanted_seed)

    @property
    def anchor(self) -> str:
        """Start of the ids on the page that belong to this part."""
        return self.place.replace("/", "-")

    @property
    def label(self) -> str:
        """The study's name in the explorer, or '' where it is the only one."""
        return self.runs.study if self.place else ""


def build(
    store: Store,
    title: str,
    parts: Sequence[Part],
    stated: Sequence[Claim],
    others: Mapping[str, StudyRuns],
    pool: WorkerPool,
    on_step: Callable[[], None] = lambda: None,
) -> dict[str, bytes]:
    """All files of a report by their names; they are the same for every pool.

    `stated`: the claims to judge, by the studies of the parts without runs that cannot be read, and
    by `others`. `on_step` is called after each run that is read and each figure that is drawn.

    Raises:
        NoRunsError: no run of any part can be read.

    """
    found, series = _read_parts(store, parts, pool, on_step)
    begun = [begin_drawing(contents(store, study, part.seed), pool) for part, study in found]
    known: dict[str, pd.DataFrame] = {}
    for _, study in found:
        known |= study.known_fates
    studies = {**others, **{part.runs.study: part.runs for part, _ in found}}
    results = judge(stated, Evidence(studies, stored_records(store, known)))
    files: dict[str, bytes] = claims.claim_files(results) if results else {}
    chapters = []
    for (part, study), items in zip(found, begun, strict=True):
        sections, own = gather_sections(items, on_step)
        own |= study_tables.table_files(study)
        files |= {_placed(name, part.place): data for name, data in own.items()}
        ui = runs_in_ui(store, part.runs.study)
        chapters.append(render_study(part, study, sections, ui))
    files["index.html"] = render_page(title, chapters, results)
    files[explore.NAME] = explore.build(title, {p.label: p.runs.by_rate for p, _ in found}, series)
    manifests = [manifest.study_manifest(part.runs, part.seed) for part, _ in found]
    files["manifest.json"] = manifest.manifest(manifests, results, files)
    return files


def _read_parts(
    store: Store, parts: Sequence[Part], pool: WorkerPool, on_step: Callable[[], None]
) -> tuple[list[tuple[Part, StudyAnalysis]], dict[str, str]]:
    """The parts with a readable run, with their analyses; the explorer's series of all runs."""
    found: list[tuple[Part, StudyAnalysis]] = []
    all_series: dict[str, str] = {}
    for part in parts:
        try:
            study, series = read_digests(store, part.runs, pool, on_step)
        except NoRunsError:
            if len(parts) == 1:
                raise
            continue
        found.append((replace(part, runs=study.runs), study))
        all_series |= series
    if not found:
        raise NoRunsError(
            "No run of any of these studies can be read. Check the store with "
            f"`{suggestions.command('doctor', store=store)}`."
        )
    return found, all_series


def steps(parts: Sequence[Part]) -> int:
    """How often `build` calls `on_step`, at most."""
    return sum(_steps(part.runs, part.seed) for part in parts)


def _steps(runs: StudyRuns, seed: int) -> int:
    drawn = runs.used[runs.used["seed"] == seed]
    variants = runs.used["variant"].nunique()
    return len(runs.used) + len(drawn.groupby(["variant", "activation"])) + 6 * variants + 3


def _placed(name: str, place: str) -> str:
    """`tables/runs.csv` in the sub-folder `place` of its kind: `tables/article_dying/runs.csv`."""
    kind, slash, rest = name.partition("/")
    return f"{kind}{slash}{place}{rest}"


def render_study(
    part: Part, study: StudyAnalysis, sections: Mapping[str, Section], ui: str
) -> Chapter:
    """The sections of a study; `ui`: of runs_in_ui."""
    runs, cells = study.runs, study.cells
    run_list = RunList(runs, part.anchor, part.label, ui)
    level = 3 if part.place else 2
    maps = overviews(cells, partial(show_best, run_list), study.axis)
    first_picture, rest = take_first_picture(sections)
    body = environment.load("study.html.j2").render(
        level=level,
        anchor=part.anchor,
        place=part.place,
        answers=list(_answer(study)),
        first_map=None if study.is_fine else maps[0],  # the first picture of a fine study is a map
        first_picture=first_picture,
        is_fine=study.is_fine,
        counts=methods.counts(runs, cells),
        gaps=methods.gaps(runs),
        grid_size=runs.grid_size,
        missing=len(runs.missing),
        notes=list(methods.notes(runs)),
        overviews=maps,
        summary=study_tables.readable_summary(cells, study.metric, study.axis),
        comparisons=study_tables.readable_comparisons(study.comparisons, study.metric, study.axis),
        interval=INTERVAL,
        split=runs.split,
        metric=study.metric,
        axis=study.axis,
        is_accuracy=study.metric is ACCURACY,
        is_validated=ranked_by(cells) == "validation_mean",
        resamples=f"{RESAMPLES:,}",
        author_notes=author_notes(runs.study, level + 1),
        tests=int(study.comparisons["p"].count()),
        sections=rest,
        methods=methods.methods(runs),
        settings=methods.settings(runs),
        run_list=run_list,
        provenance=[*methods.provenance(runs), (REBUILD, _rebuild(runs, part.seed))],
    )
    return Chapter(runs.study, part.anchor, body, slides_of(sections, part.place))


def _answer(study: StudyAnalysis) -> Iterable[list[str]]:
    """The sentences at the top."""
    if study.is_fine:
        return edge_text.answer(study.edges)
    return study_text.answer(study.runs.splits, study.cells, study.leads, study.metric, study.axis)


def _rebuild(runs: StudyRuns, seed: int) -> str:
    seeds = [] if seed == frames.choose_seed(runs, None) else [f"report.seed={seed}"]
    axes = [] if runs.axis.is_rate else [f"report.axes=[activation,{runs.axis.setting}]"]
    chosen = " ".join([*seeds, *axes])
    return f"make report STUDY={runs.study}" + (f' ARGS="{chosen}"' if chosen else "")
