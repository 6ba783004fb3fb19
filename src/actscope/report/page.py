"""A report as files: the page, its figures and tables, and the manifest."""

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from matplotlib.figure import Figure

from actscope import tracking
from actscope.report import edge, figures, frames, stats, tables, units
from actscope.report.answer import answer, join
from actscope.report.claims import Verdict, tally
from actscope.report.frames import StudyRuns, rate_text
from actscope.report.tables import Table
from actscope.tracking import Store

ARTICLE_RATES = {0.01, 0.001}
OWN_FILES = [
    f"{folder}/*.{kind}"
    for name, kinds in (("figures", ("png", "svg")), ("tables", ("csv", "md")))
    for folder in (name, f"{name}/*")
    for kind in kinds
]


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with what the page says about it."""

    name: str  # of its files, without the ending
    section: str
    caption: str
    alt: str
    files: dict[str, bytes]  # png and svg

    @property
    def data_uri(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.files['png']).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the PNG, which stand at its byte 16 (RFC 2083, 11.2.1)."""
        png = self.files["png"]
        return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


@dataclass(frozen=True, eq=False)
class Prose:
    """What a section says in words and tables beside its pictures."""

    section: str
    paragraphs: list[str]
    tables: list[Table]


@dataclass(eq=False)
class Section:
    """What stands under one heading: the words, the pictures, the tables."""

    paragraphs: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Part:
    """A study as a part of a report.

    `seed`: whose trajectories are drawn. `place`: the sub-folder of its figures and tables, as
    `article_dying/`, or '' where it is the only one.
    """

    runs: StudyRuns
    seed: int
    place: str = ""

    @cached_property
    def cells(self) -> pd.DataFrame:
        return stats.summarise(self.runs.used)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        return stats.compare(self.runs.used)

    @property
    def anchor(self) -> str:
        """Start of the ids on the page that belong to this part."""
        return self.place.replace("/", "-")


@dataclass(frozen=True, eq=False)
class Chapter:
    """A part as the page has it: its name, the HTML, and the ids and titles of its sections."""

    name: str
    anchor: str
    body: str
    sections: list[tuple[str, str]]


def build(
    store: Store,
    title: str,
    parts: Sequence[Part],
    verdicts: Sequence[Verdict] = (),
    on_step: Callable[[], None] = lambda: None,
) -> dict[str, bytes]:
    """All files of a report by their names.

    `on_step` is called after each run that is read and each figure that is drawn.

    Raises:
        ReportError: a file of a run cannot be read.

    """
    files: dict[str, bytes] = tables.claim_files(verdicts) if verdicts else {}
    chapters = []
    for part in parts:
        sections = _sections(store, part, on_step)
        own = tables.table_files(part.runs, part.cells, part.comparisons)
        for section in sections.values():
            for picture in section.pictures:
                for kind, data in picture.files.items():
                    own[f"figures/{picture.name}.{kind}"] = data
            for table in section.tables:
                own |= table.files
        files |= {_placed(name, part.place): data for name, data in own.items()}
        chapters.append(render_study(part, sections, level=3 if part.place else 2))
    files["index.html"] = render_page(title, chapters, verdicts)
    studies = [tables.study_manifest(part.runs, part.seed) for part in parts]
    files["manifest.json"] = tables.manifest(studies, verdicts, files)
    return files


def steps(parts: Sequence[Part]) -> int:
    """How often `build` calls `on_step`, at most."""
    return sum(_steps(part.runs, part.seed) for part in parts)


def _steps(runs: StudyRuns, seed: int) -> int:
    drawn = runs.used[runs.used["seed"] == seed]
    variants = runs.used["variant"].nunique()
    return 2 * len(runs.used) + len(drawn.groupby(["variant", "activation"])) + 5 * variants + 3


def _sections(store: Store, part: Part, on_step: Callable[[], None]) -> dict[str, Section]:
    """The sections of the study's own findings, by their titles, in the order of the page."""
    sections: dict[str, Section] = {}
    with figures.drawing_style():
        for item in draw(store, part.runs, part.cells, part.seed, on_step):
            section = sections.setdefault(item.section, Section())
            if isinstance(item, Picture):
                section.pictures.append(item)
            else:
                section.paragraphs += item.paragraphs
                section.tables += item.tables
            on_step()
    return sections


def _placed(name: str, place: str) -> str:
    """`tables/runs.csv` in the sub-folder `place` of its kind: `tables/article_dying/runs.csv`."""
    kind, slash, rest = name.partition("/")
    return f"{kind}{slash}{place}{rest}"


def write(files: dict[str, bytes], folder: Path) -> None:
    """Write a report in place of an earlier one, whose figures and tables go."""
    if (folder / "manifest.json").exists():
        for pattern in OWN_FILES:
            for stale in folder.glob(pattern):
                stale.unlink()
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def draw(
    store: Store, runs: StudyRuns, cells: pd.DataFrame, seed: int, on_step: Callable[[], None]
) -> Iterator[Picture | Prose]:
    """The figures, and what is said beside them, in the order of the page."""
    if edge.is_fine(runs):  # a panel a rate would be one of too many
        yield from _edge(runs, cells)
    else:
        accuracy = frames.read_accuracy(store, runs, on_step)
        yield from _final_accuracy(runs, cells)
        yield from _accuracy_by_epoch(runs, accuracy, cells)
    yield from _trajectories(store, runs, cells, seed)
    yield from _units(store, runs, on_step)
    activations = activations_of(runs)
    yield _picture(
        "activation_functions",
        "The activation functions",
        "Each activation function (solid) and its derivative (dashed), for inputs from -4 to 4. "
        "Where the dashed line is broken, the derivative jumps: the function has an edge.",
        f"Curves of {', '.join(activations)} and of their derivatives.",
        figures.draw_functions(activations),
    )


def activations_of(runs: StudyRuns) -> dict[str, Any]:
    """Each different activation among the runs used, by a title that tells them apart."""
    found = {}
    for run_id in runs.used["run_id"]:
        activation = figures.activation_of(runs.params.loc[run_id].to_dict())
        arguments = "".join(f"\n{key} = {value}" for key, value in activation.arguments)
        behind = "\nbehind batch norm" if activation.batch_norm else ""
        found[f"{activation.name}{behind}{arguments}"] = activation
    return found


def _final_accuracy(runs: StudyRuns, cells: pd.DataFrame) -> Iterator[Picture]:
    for variant, used in runs.used.groupby("variant", sort=False):
        yield _picture(
            f"final_accuracy{_number(runs, variant)}",
            "Final test accuracy",
            "Final test accuracy of every seed (coloured), with the mean over the seeds and its "
            "95 % t-interval above them (black); below, the same on an enlarged scale.",
            f"Final test accuracy by activation, a panel a learning rate, {len(used)} runs; its "
            "numbers are in the table.",
            figures.draw_final(str(variant), used, cells[cells["variant"] == variant]),
        )


def _accuracy_by_epoch(
    runs: StudyRuns, accuracy: pd.DataFrame, cells: pd.DataFrame
) -> Iterator[Picture]:
    for variant, rows in accuracy.groupby("variant", sort=False):
        yield _picture(
            f"test_accuracy_by_epoch{_number(runs, variant)}",
            "Test accuracy by epoch",
            "Test accuracy at the end of each epoch: mean over the seeds, with its 95 % t-interval."
            " Runs that diverged are not part of it.",
            "Mean test accuracy by epoch, a line an activation, a panel a learning rate.",
            figures.draw_accuracy(
                str(variant), stats.summarise_by_epoch(rows), cells[cells["variant"] == variant]
            ),
        )


def _number(runs: StudyRuns, variant: object) -> str:
    """End of a file's name that tells variants apart, where there are several."""
    variants = list(dict.fromkeys(runs.used["variant"]))
    return f"_variant{variants.index(str(variant)) + 1}" if len(variants) > 1 else ""


def _edge(runs: StudyRuns, cells: pd.DataFrame) -> Iterator[Picture | Prose]:
    section = "The edge of trainability"
    outcomes = edge.outcome_map(cells)
    found = edge.edges(outcomes)
    yield Prose(section, [edge.RULE], edge.tables_of(outcomes, found))
    for variant, own in outcomes.groupby("variant", sort=False):
        its_edges = found[found["variant"] == variant]
        yield _picture(
            f"outcome_map{_number(runs, variant)}",
            section,
            "Which share of the runs learned at each activation and rate: the darker, the more. "
            "A dash: some failed; a cross: some diverged. The bar: the largest rate that learns.",
            f"Outcome of {len(runs.used)} runs by activation and rate; its numbers are in the "
            "table of outcomes.",
            figures.draw_outcome_map(str(variant), own, its_edges),
        )
        yield _picture(
            f"accuracy_by_rate{_number(runs, variant)}",
            section,
            "Final test accuracy over the learning rate: mean over the seeds, with its 95 % "
            "t-interval; grey: the other activations. A cross on the axis: a run diverged there, "
            "and is not in the mean.",
            "Mean final test accuracy over the learning rate, by activation.",
            figures.draw_edge_accuracy(str(variant), cells[cells["variant"] == variant]),
        )


def _units(store: Store, runs: StudyRuns, on_step: Callable[[], None]) -> Iterator[Picture | Prose]:
    section = "Which units die"
    found = units.read_units(store, runs, on_step)
    if found.shares.empty:
        yield Prose(section, [units.NOT_RECORDED], [])
        return
    layers = units.by_layer(found)
    said = [text for paragraphs in units.in_words(found, layers) for text in paragraphs]
    yield Prose(section, [*said, *units.notes(found)], units.tables_of(found, layers))
    is_fine = edge.is_fine(runs)
    for variant, own in layers.groupby("variant", sort=False):
        title, number = str(variant), _number(runs, variant)
        yield _picture(
            f"unit_shares{number}",
            section,
            "Share of the units that end dead, saturated, silent or flat: mean over the runs, with "
            f"its 95 % t-interval. {'Layer 1 only.' if is_fine else units.LAYERS_SHOWN}",
            f"Share of units by verdict, activation and rate{f', {title}' if title else ''}; its "
            "numbers are in the table of units.",
            figures.draw_unit_shares_by_rate(title, own)
            if is_fine
            else figures.draw_unit_shares(title, own, units.layers_shown(own)),
        )
    for variant, gone in found.gone.groupby("variant", sort=False) if len(found.gone) else ():
        if gone["step"].min() == gone["step"].max():  # nothing to follow
            continue
        shown = units.shown_rates(gone)
        curves = units.gone_curves(gone[gone["lr"].isin(shown)])
        yield _picture(
            f"units_gone{_number(runs, variant)}",
            section,
            "When it begins: share of layer 1's units that are dead or saturated at each look at "
            "the probe set, mean over the runs with its 95 % t-interval. "
            + ("" if len(shown) == gone["lr"].nunique() else units.RATES_SHOWN),
            "Share of layer 1's units dead or saturated by minibatch, a line an activation.",
            figures.draw_gone(str(variant), curves, curves["activation"]),
        )


def _trajectories(
    store: Store, runs: StudyRuns, cells: pd.DataFrame, seed: int
) -> Iterator[Picture]:
    used = runs.used[runs.used["seed"] == seed]
    note = ""
    if edge.is_fine(runs):
        used = used.merge(edge.rates_drawn(edge.edges(edge.outcome_map(cells))))
        note = f" {edge.RATES_DRAWN}"
    for (variant, activation), rows in used.groupby(["variant", "activation"], sort=False):
        rows = as_columns(rows)
        drawn = [
            figures.Drawn(
                run["lr"],
                run["outcome"],
                frames.read_run_file(tracking.read_history, store, runs.study, run["run_id"]),
                frames.read_run_file(tracking.read_trajectory, store, runs.study, run["run_id"]),
            )
            for run in rows.to_dict("records")
        ]
        title = f"{activation}, seed {seed}" + (f", {variant}" if variant else "")
        yield _picture(
            f"trajectories_{activation}{_number(runs, variant)}",
            "How units move and die",
            f"{title}: training accuracy, then mean incoming weight and bias of the output units "
            "and of the first ten units of layer 1, by minibatch. A line that moves is a unit that "
            f"learns; a flat one is read as a dying unit.{note}",
            f"Five rows of panels for {title}, a column a learning rate: "
            + "; ".join(f"{rate_text(run.lr)} {run.outcome}" for run in drawn),
            figures.draw_trajectories(title, drawn),
        )


def as_columns(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs by rising rate; those of the article's two rates as it has them: 0.01, then 0.001."""
    return runs.sort_values("lr", ascending=set(runs["lr"]) != ARTICLE_RATES, kind="stable")


def _picture(name: str, section: str, caption: str, alt: str, figure: Figure) -> Picture:
    # A name from the store must not lead out of the folder.
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
    return Picture(safe, section, caption, alt, figures.render(figure))


def render_study(part: Part, sections: Mapping[str, Section], *, level: int) -> Chapter:
    """The sections of a study; `level` is that of their headings."""
    runs, cells = part.runs, part.cells
    is_fine = edge.is_fine(runs)
    body = _template("study.html.j2").render(
        level=level,
        anchor=part.anchor,
        place=part.place,
        answers=edge.answer(cells) if is_fine else answer(runs.used, cells),
        is_fine=is_fine,
        counts=_counts(runs, cells),
        gaps=_gaps(runs),
        grid_size=runs.grid_size,
        missing=len(runs.missing),
        notes=list(_notes(runs)),
        overviews=_overviews(cells),
        summary=tables.readable_summary(cells),
        comparisons=tables.readable_comparisons(part.comparisons),
        sections=sections,
        methods=_methods(runs),
        settings=_settings(runs),
        runs=runs.runs.to_dict("records"),
        left_out=runs.left_out.to_dict("records"),
        percent=tables.percent,
        provenance=_provenance(runs),
        rebuild=_rebuild(runs, part.seed),
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
    text = _template("page.html.j2").render(
        title=title,
        navigation=navigation,
        verdicts=verdicts,
        tally=tally(verdicts),
        chapters=chapters,
        is_alone=is_alone,
    )
    # A per cent sign never stands alone at the start of a line.
    return f"{text}\n".replace(" %", "\N{NO-BREAK SPACE}%").encode()


def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


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


def _gaps(runs: StudyRuns) -> list[str]:
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
    for data, rows in used.assign(name=runs.params.loc[used["run_id"], "data"].to_numpy()).groupby(
        "name"
    ):
        if (digests := rows["data"].nunique()) > 1:
            yield f"The runs on {data} come from {digests} different versions of these data."
    if (n := len(runs.left_out)) > 0:
        was = "run is" if n == 1 else "runs are"
        yield f"{n} {was} left out, each with its reason in the list of all runs."


def _overviews(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """For each variant a table activation x rate; cells are None where there is no run."""
    overviews = []
    for variant in dict.fromkeys(cells["variant"]):
        own = cells[cells["variant"] == variant]
        rates = sorted(set(own["lr"]))
        found = {(row["activation"], row["lr"]): row for row in own.to_dict("records")}
        complete = own[(own["n"] > 0) & (own["failed"] == 0) & (own["diverged"] == 0)]
        best = complete["final_mean"].max() if len(complete) else None
        rows = [
            (name, [_overview_cell(found.get((name, lr)), best) for lr in rates])
            for name in dict.fromkeys(own["activation"])
        ]
        overviews.append(
            {"variant": variant, "rates": [rate_text(lr) for lr in rates], "rows": rows}
        )
    return overviews


def _overview_cell(cell: dict[Any, Any] | None, best: float | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    all_learned = cell["failed"] == 0 and cell["diverged"] == 0
    return {
        "mean": f"{tables.percent(cell['final_mean'])} %" if cell["n"] > 0 else "no accuracy",
        "interval": tables.interval(cell, "final"),
        "n": cell["n"],
        "trouble": "" if all_learned else cell["outcomes"],
        "tone": "best"
        if all_learned and cell["final_mean"] == best
        else ""
        if all_learned
        else "bad",
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


def _provenance(runs: StudyRuns) -> list[tuple[str, str]]:
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
