"""A report as files: the page, its figures and tables, and the manifest."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, cast

import pandas as pd

from actscope.analysis import edge, frames, stats
from actscope.analysis.claims.claims import ReadFates, Verdict, stored_fates, tally
from actscope.analysis.frames import NoRunsError, StudyRuns
from actscope.analysis.labels import rate_text
from actscope.command_line import suggestions
from actscope.report import manifest
from actscope.report.explorer import explore
from actscope.report.pages.run_list import Row, RunList
from actscope.report.pages.sections import Illustration, Picture, Prose, contents, render
from actscope.report.process_pool import Crew
from actscope.report.run_digests import Digest, Gathered, packed_series, read_digests
from actscope.report.tables import claims
from actscope.report.tables import files as table_files
from actscope.report.tables import study as study_tables
from actscope.report.tables.files import Table
from actscope.report.templates import environment
from actscope.report.text import edge as edge_text
from actscope.report.text.study import answer, by_accuracy, join
from actscope.tracking import Store
from actscope.tracking.ui import runs_in_ui

REBUILD = "build the study's report again"


@dataclass(eq=False)
class Section:
    """What stands under one heading, the words, the pictures, the tables, and all their files."""

    paragraphs: list[str] = field(default_factory=list)
    pictures: list[Illustration] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Part:
    """A study as a part of a report.

    `wanted_seed`: whose trajectories are to be drawn, or None. `place`: the sub-folder of its
    figures and tables, as `article_dying/`, or '' where it is the only one.
    """

    runs: StudyRuns
    wanted_seed: int | None
    place: str = ""

    @cached_property
    def seed(self) -> int:
        """Whose trajectories are drawn."""
        return frames.choose_seed(self.runs, self.wanted_seed)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        return stats.compare(self.runs.used)

    @property
    def anchor(self) -> str:
        """Start of the ids on the page that belong to this part."""
        return self.place.replace("/", "-")

    @property
    def label(self) -> str:
        """The study's name where the explorer has to tell it from others, or ''."""
        return self.runs.study if self.place else ""


@dataclass(frozen=True, eq=False)
class Chapter:
    """A part as the page has it: its name, the HTML, and the ids and titles of its sections."""

    name: str
    anchor: str
    body: str
    sections: list[tuple[str, str]]


Judge = Callable[[Mapping[str, StudyRuns], ReadFates], Sequence[Verdict]]


def build(
    store: Store,
    title: str,
    parts: Sequence[Part],
    crew: Crew,
    judge: Judge,
    on_step: Callable[[], None] = lambda: None,
) -> dict[str, bytes]:
    """All files of a report by their names; they do not depend on the crew.

    `judge` gives the verdicts that the page begins with, from the studies of the parts as they are
    without runs that cannot be read. `on_step` is called after each run that is read and each
    figure that is drawn.

    Raises:
        NoRunsError: no run of any part can be read.

    """
    parts, digests = _read_parts(store, parts, crew, on_step)
    begun = [
        begin(contents(store, part.runs, part.seed, Gathered(part.runs, digests)), crew)
        for part in parts
    ]
    studies = {part.runs.study: part.runs for part in parts}
    verdicts = judge(studies, stored_fates(store, _known_fates(digests)))
    files: dict[str, bytes] = claims.claim_files(verdicts) if verdicts else {}
    chapters = []
    for part, items in zip(parts, begun, strict=True):
        own = study_tables.table_files(part.runs, part.runs.cells, part.comparisons)
        sections = gather_sections(items, on_step)
        for section in sections.values():
            own |= section.files
        files |= {_placed(name, part.place): data for name, data in own.items()}
        ui = runs_in_ui(store, part.runs.study)
        chapters.append(render_study(part, sections, ui, level=3 if part.place else 2))
    files["index.html"] = render_page(title, chapters, verdicts)
    files[explore.NAME] = explore.build(
        title, {part.label: part.runs for part in parts}, packed_series(digests)
    )
    manifests = [manifest.study_manifest(part.runs, part.seed) for part in parts]
    files["manifest.json"] = manifest.manifest(manifests, verdicts, files)
    return files


def _read_parts(
    store: Store, parts: Sequence[Part], crew: Crew, on_step: Callable[[], None]
) -> tuple[list[Part], dict[str, Digest]]:
    """The parts of which a run can be read, without those that cannot; the digests of all."""
    kept: list[Part] = []
    digests: dict[str, Digest] = {}
    for part in parts:
        try:
            runs, found = read_digests(store, part.runs, crew, on_step)
        except NoRunsError:
            if len(parts) == 1:
                raise
            continue
        kept.append(replace(part, runs=runs))
        digests |= found
    if not kept:
        raise NoRunsError(
            "No run of any of these studies can be read. Check the store with "
            f"`{suggestions.command('doctor', store=store)}`."
        )
    return kept, digests


def steps(parts: Sequence[Part]) -> int:
    """How often `build` calls `on_step`, at most."""
    return sum(_steps(part.runs, part.seed) for part in parts)


def _steps(runs: StudyRuns, seed: int) -> int:
    drawn = runs.used[runs.used["seed"] == seed]
    variants = runs.used["variant"].nunique()
    return len(runs.used) + len(drawn.groupby(["variant", "activation"])) + 5 * variants + 3


Waiting = Callable[[], Illustration]


def begin(items: Iterable[Picture | Prose], crew: Crew) -> list[Waiting | Prose]:
    """The same, but the pictures are being drawn and have to be waited for."""
    return [_begin_picture(item, crew) if isinstance(item, Picture) else item for item in items]


def _begin_picture(picture: Picture, crew: Crew) -> Waiting:
    rendered = crew.begin(render, picture.task())
    return lambda: Illustration(picture, rendered())


def _known_fates(digests: Mapping[str, Digest]) -> dict[str, pd.DataFrame]:
    return {run_id: own.judged.fates for run_id, own in digests.items() if own.judged is not None}


def gather_sections(
    items: Sequence[Waiting | Prose], on_step: Callable[[], None]
) -> dict[str, Section]:
    """The sections of a page's findings, by their titles, in the order of the page."""
    sections: dict[str, Section] = {}
    for item in items:
        if isinstance(item, Prose):
            section = sections.setdefault(item.section, Section())
            section.paragraphs += item.paragraphs
            section.tables += item.tables
            section.files |= item.files
        else:
            drawn = item()
            section = sections.setdefault(drawn.picture.section, Section())
            section.pictures.append(drawn)
            section.files |= drawn.files
        on_step()
    return sections


def _placed(name: str, place: str) -> str:
    """`tables/runs.csv` in the sub-folder `place` of its kind: `tables/article_dying/runs.csv`."""
    kind, slash, rest = name.partition("/")
    return f"{kind}{slash}{place}{rest}"


def render_study(part: Part, sections: Mapping[str, Section], ui: str, *, level: int) -> Chapter:
    """The sections of a study; `level` is that of their headings, `ui` of tracking.runs_in_ui."""
    runs, cells = part.runs, part.runs.cells
    run_list = RunList(runs, part.anchor, part.label, ui)
    is_fine = edge.is_fine(runs)
    body = environment.load("study.html.j2").render(
        level=level,
        anchor=part.anchor,
        place=part.place,
        answers=edge_text.answer(cells) if is_fine else answer(runs.used, cells),
        is_fine=is_fine,
        counts=_counts(runs, cells),
        gaps=gaps(runs),
        grid_size=runs.grid_size,
        missing=len(runs.missing),
        notes=list(_notes(runs)),
        overviews=overviews(cells, partial(_overview_cell, run_list)),
        summary=study_tables.readable_summary(cells),
        comparisons=study_tables.readable_comparisons(part.comparisons),
        sections=sections,
        methods=_methods(runs),
        settings=_settings(runs),
        run_list=run_list,
        provenance=[*provenance(runs), (REBUILD, _rebuild(runs, part.seed))],
    )
    titles = [
        ("glance", "At a glance"),
        *((f"figures-{number}", title) for number, title in enumerate(sections, 1)),
        ("methods", "Methods"),
        ("runs", "Runs"),
        ("provenance", "Provenance"),
    ]
    anchored = [(f"{part.anchor}{name}", title) for name, title in titles]
    return Chapter(runs.study, part.anchor, body, anchored)


def render_page(title: str, chapters: Sequence[Chapter], verdicts: Sequence[Verdict]) -> bytes:
    """The page: the claims, if there are any, and the studies."""
    is_alone = not any(chapter.anchor for chapter in chapters)
    navigation = [("claims", "Claims")] if verdicts else []
    for chapter in chapters:
        starts = [(f"{chapter.anchor}study", chapter.name)]
        navigation += chapter.sections if is_alone else starts
    text = environment.load("page.html.j2").render(
        title=title,
        navigation=navigation,
        verdicts=verdicts,
        tally=tally(verdicts),
        chapters=chapters,
        explorer=explore.NAME,
        is_alone=is_alone,
    )
    # A per cent sign never stands alone at the start of a line.
    return f"{text}\n".replace(" %", "\N{NO-BREAK SPACE}%").encode()


def _counts(runs: StudyRuns, cells: pd.DataFrame) -> list[tuple[str, str]]:
    """The figures at the head of the page."""
    used = runs.used
    return [
        (str(len(used)), "runs counted"),
        (str(used["activation"].nunique()), "activations"),
        (str(used["lr"].nunique()), "learning rates"),
        (str(used["seed"].nunique()), "seeds"),
        (str(int(cells["failed"].sum())), "failed to learn"),
        (str(int(cells["diverged"].sum())), "diverged"),
    ]


def gaps(runs: StudyRuns) -> list[str]:
    """The missing points, a line for those of an activation that lack the same seeds."""
    cells: dict[tuple[str, str, str], list[str]] = {}
    for key, rows in runs.missing.groupby(stats.CELL, sort=False):
        variant, activation, lr = cast(tuple[str, str, float], key)
        seeds = join([str(seed) for seed in rows["seed"]])
        cells.setdefault((variant, activation, seeds), []).append(rate_text(lr))
    return [
        f"{variant} {activation} at lr {join(rates)}: seed {seeds}".strip()
        for (variant, activation, seeds), rates in cells.items()
    ]


def _notes(runs: StudyRuns) -> Iterator[str]:
    """What a reader has to know before comparing."""
    used = runs.used
    if (versions := used["code"].nunique()) > 1:
        yield f"The runs come from {versions} versions of the training code and may differ by it."
    names = runs.params.reindex(columns=["data"]).loc[used["run_id"], "data"]
    for data, rows in used.assign(name=names.to_numpy()).groupby("name"):
        if (digests := rows["data"].nunique()) > 1:
            yield f"The runs on {data} come from {digests} different versions of these data."
    if (n := len(runs.left_out)) > 0:
        was = "run is" if n == 1 else "runs are"
        yield f"{n} {was} left out, each with its reason in the list of all runs."


def overviews(
    cells: pd.DataFrame, show_in: Callable[[pd.DataFrame], Callable[[Row], dict[str, Any]]]
) -> list[dict[str, Any]]:
    """For each variant a table activation x rate; cells are None where there is no run.

    `show_in` gives, for the cells of a variant, what makes of each what the page shows of it.
    """
    shown = []
    for variant, own in cells.groupby("variant", sort=False):
        show, rates = show_in(own), sorted(set(own["lr"]))
        found = {(row["activation"], row["lr"]): show(row) for row in own.to_dict("records")}
        rows = [
            (name, [found.get((name, lr)) for lr in rates])
            for name in dict.fromkeys(own["activation"])
        ]
        shown.append({"variant": variant, "rates": [rate_text(lr) for lr in rates], "rows": rows})
    return shown


def _overview_cell(run_list: RunList, cells: pd.DataFrame) -> Callable[[Row], dict[str, Any]]:
    best = by_accuracy(cells)["final_mean"].max()  # NaN, which equals nothing, if there is none

    def show(cell: Row) -> dict[str, Any]:
        shown = accuracy_in_words(cell, run_list)
        tone = "bad" if shown["trouble"] else "best" if cell["final_mean"] == best else ""
        return {**shown, "tone": tone}

    return show


def accuracy_in_words(cell: Row, run_list: RunList) -> dict[str, Any]:
    """The final accuracy of a cell as a table shows it, and where on the page its runs are."""
    all_learned = cell["failed"] == 0 and cell["diverged"] == 0
    return {
        "mean": f"{table_files.percent(cell['final_mean'])} %" if cell["n"] > 0 else "no accuracy",
        "interval": table_files.interval(cell, "final"),
        "n": cell["n"],
        "trouble": "" if all_learned else cell["outcomes"],
        "behind": run_list.behind(cell),
    }


def _methods(runs: StudyRuns) -> dict[str, str]:
    """What the runs were made with; a setting that varies shows all its values."""
    names = {
        "data": "data",
        "hidden": "model.hidden",
        "init": "model.init",
        "epochs": "train.epochs",
        "batch": "train.batch_size",
        "reduction": "train.reduction",
        "momentum": "train.momentum",
        "decay": "train.weight_decay",
        "learned_from": "outcome.learned_from",
        "every": "trajectory.every",
    }
    values = {key: " or ".join(runs.values_of(name)) or "unknown" for key, name in names.items()}
    seeds = sorted({int(seed) for seed in runs.used["seed"]})
    values["seeds"] = ", ".join(str(seed) for seed in seeds)
    values["digests"] = ", ".join(sorted(set(runs.used["data"])))
    return values


def _settings(runs: StudyRuns) -> list[tuple[str, str]]:
    """Every parameter that is not a part of the grid, with the values it has."""
    shown = [
        name
        for name in sorted(runs.params.columns)
        if name not in ("activation", "lr", "seed", "study")
    ]
    values = [(name, ", ".join(runs.values_of(name))) for name in shown]
    return [(name, value) for name, value in values if not name.startswith("activation.")]


def provenance(runs: StudyRuns) -> list[tuple[str, str]]:
    used = runs.used
    dirty = {"true": " with uncommitted changes", "false": ""}
    commits = {f"{c}{dirty.get(d, '')}" for c, d in zip(used["commit"], used["dirty"], strict=True)}
    return [
        ("commits", ", ".join(sorted(commits - {""})) or "unknown"),
        ("sweeps", ", ".join(sorted(set(used["sweep"]) - {""})) or "unknown"),
        ("training code (SHA-256)", ", ".join(sorted(set(used["code"])))),
        ("data (SHA-256)", ", ".join(sorted(set(used["data"])))),
    ]


def _rebuild(runs: StudyRuns, seed: int) -> str:
    chosen = "" if seed == frames.choose_seed(runs, None) else f' ARGS="report.seed={seed}"'
    return f"make report STUDY={runs.study}{chosen}"
