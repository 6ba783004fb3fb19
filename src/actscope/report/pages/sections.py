"""What a report on a study shows, section by section: the pictures, and the words beside them."""

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from actscope.analysis import edge, stats, units
from actscope.analysis.frames import StudyRuns
from actscope.analysis.labels import rate_text
from actscope.analysis.run_tables import read_run_table
from actscope.analysis.variants import activation_of
from actscope.report.figures import style
from actscope.report.figures import units as units_figures
from actscope.report.figures.accuracy import draw_accuracy, draw_final
from actscope.report.figures.activation_functions import draw_functions
from actscope.report.figures.edge import draw_edge_accuracy, draw_outcome_map
from actscope.report.figures.trajectories import Drawn, draw_trajectories
from actscope.report.run_digests import Findings
from actscope.report.tables import edge as edge_tables
from actscope.report.tables import units as units_tables
from actscope.report.tables.files import Table
from actscope.report.text import edge as edge_text
from actscope.report.text import units as units_text
from actscope.tracking import Store

ARTICLE_RATES = {0.01, 0.001}


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure that is still to be drawn, and what is said about it.

    `draw` makes it, in any process, from what `data` gives, which nobody needs who does not draw.
    """

    name: str  # of its files, without the ending
    section: str
    caption: str
    alt: str
    draw: Callable[..., Figure]
    data: Callable[[], tuple[Any, ...]] = tuple

    def task(self) -> Callable[[], Figure]:
        """What draws it, with its data."""
        return partial(self.draw, *self.data())


def render(task: Callable[[], Figure]) -> dict[str, bytes]:
    """PNG and SVG of what a picture's task draws, by their kinds."""
    with style.drawing_style():
        return style.render(task())


@dataclass(frozen=True, eq=False)
class Illustration:
    """A picture that is drawn; `rendered`: as of `render`."""

    picture: Picture
    rendered: Mapping[str, bytes]

    @property
    def files(self) -> dict[str, bytes]:
        """Its PNG and SVG, by their names in the report's folder."""
        return {f"figures/{self.picture.name}.{kind}": data for kind, data in self.rendered.items()}

    @property
    def data_uri(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.rendered['png']).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the PNG, which stand at its byte 16 (RFC 2083, 11.2.1)."""
        png = self.rendered["png"]
        return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


@dataclass(frozen=True, eq=False)
class Prose:
    """What a section says in words and tables beside its pictures."""

    section: str
    paragraphs: list[str]
    tables: list[Table]

    @property
    def files(self) -> dict[str, bytes]:
        return {name: data for table in self.tables for name, data in table.files.items()}


def contents(
    store: Store, runs: StudyRuns, seed: int, findings: Findings
) -> Iterator[Picture | Prose]:
    """The pictures, and what is said beside them, in the order of the page.

    `seed`: whose trajectories are drawn.

    Raises:
        ReportError: a file of a run cannot be read, now or when a picture is drawn.

    """
    if edge.is_fine(runs):  # a panel a rate would be one of too many
        yield from _edge(runs)
    else:
        yield from _final_accuracy(runs)
        yield from _accuracy_by_epoch(runs, findings)
    yield from _trajectories(store, runs, seed)
    yield from _units(runs, findings)
    activations = activations_of(runs)
    yield picture(
        "activation_functions",
        "The activation functions",
        "Each activation function (solid) and its derivative (dashed), for inputs from -4 to 4. "
        "Where the dashed line is broken, the derivative jumps: the function has an edge.",
        f"Curves of {', '.join(activations)} and of their derivatives.",
        partial(draw_functions, activations),
    )


def activations_of(runs: StudyRuns) -> dict[str, Any]:
    """Each different activation among the runs used, by a title that tells them apart."""
    found = {}
    for run_id in runs.used["run_id"]:
        activation = activation_of(runs.params.loc[run_id].to_dict())
        arguments = "".join(f"\n{key} = {value}" for key, value in activation.arguments)
        behind = "\nbehind batch norm" if activation.batch_norm else ""
        found[f"{activation.name}{behind}{arguments}"] = activation
    return found


def _final_accuracy(runs: StudyRuns) -> Iterator[Picture]:
    for variant, used in runs.used.groupby("variant", sort=False):
        yield picture(
            f"final_accuracy{_number(runs, variant)}",
            "Final test accuracy",
            "Final test accuracy of every seed (coloured), with the mean over the seeds and its "
            "95 % t-interval above them (black); below, the same on an enlarged scale.",
            f"Final test accuracy by activation, a panel a learning rate, {len(used)} runs; its "
            "numbers are in the table.",
            partial(draw_final, str(variant), used, _of(variant, runs.cells)),
        )


def _accuracy_by_epoch(runs: StudyRuns, findings: Findings) -> Iterator[Picture]:
    def data(variant: str) -> tuple[Any, ...]:
        curves = stats.summarise_by_epoch(_of(variant, findings.accuracy))
        return variant, curves, _of(variant, runs.cells)

    averaged = runs.cells.loc[runs.cells["n"] > 0, "variant"]
    for variant in dict.fromkeys(averaged):
        yield picture(
            f"test_accuracy_by_epoch{_number(runs, variant)}",
            "Test accuracy by epoch",
            "Test accuracy at the end of each epoch: mean over the seeds, with its 95 % t-interval."
            " Runs that diverged are not part of it.",
            "Mean test accuracy by epoch, a line an activation, a panel a learning rate.",
            draw_accuracy,
            partial(data, variant),
        )


def _of(variant: object, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["variant"] == variant]


def _number(runs: StudyRuns, variant: object) -> str:
    """End of a file's name that tells variants apart, where there are several."""
    variants = list(dict.fromkeys(runs.used["variant"]))
    return f"_variant{variants.index(str(variant)) + 1}" if len(variants) > 1 else ""


def _edge(runs: StudyRuns) -> Iterator[Picture | Prose]:
    section = "The edge of trainability"
    outcomes = edge.outcome_map(runs.cells)
    found = edge.edges(outcomes)
    yield Prose(section, [edge_text.RULE], edge_tables.tables_of(outcomes, found))
    for variant, own in outcomes.groupby("variant", sort=False):
        yield picture(
            f"outcome_map{_number(runs, variant)}",
            section,
            "Which share of the runs learned at each activation and rate: the darker, the more. "
            "A dash: some failed; a cross: some diverged. The bar: the largest rate that learns.",
            f"Outcome of {len(runs.used)} runs by activation and rate; its numbers are in the "
            "table of outcomes.",
            partial(draw_outcome_map, str(variant), own, _of(variant, found)),
        )
        yield picture(
            f"accuracy_by_rate{_number(runs, variant)}",
            section,
            "Final test accuracy over the learning rate: mean over the seeds, with its 95 % "
            "t-interval; grey: the other activations. A cross on the axis: a run diverged there, "
            "and is not in the mean.",
            "Mean final test accuracy over the learning rate, by activation.",
            partial(draw_edge_accuracy, str(variant), _of(variant, runs.cells)),
        )


def _units(runs: StudyRuns, findings: Findings) -> Iterator[Picture | Prose]:
    section = "Which units die"
    found = findings.units
    if found.shares.empty:
        yield Prose(section, [units_text.NOT_RECORDED], [])
        return
    layers = units.by_layer(found)
    said = [text for paragraphs in units_text.in_words(found, layers) for text in paragraphs]
    yield Prose(section, [*said, *units_text.notes(found)], units_tables.tables_of(found, layers))
    is_fine = edge.is_fine(runs)
    for variant, own in layers.groupby("variant", sort=False):
        title, number = str(variant), _number(runs, variant)
        yield picture(
            f"unit_shares{number}",
            section,
            "Share of the units that end dead, saturated, silent or flat: mean over the runs, with "
            f"its 95 % t-interval. {'Layer 1 only.' if is_fine else units_figures.LAYERS_SHOWN}",
            f"Share of units by verdict, activation and rate{f', {title}' if title else ''}; its "
            "numbers are in the table of units.",
            partial(units_figures.draw_unit_shares_by_rate, title, own)
            if is_fine
            else partial(
                units_figures.draw_unit_shares, title, own, units_figures.layers_shown(own)
            ),
        )
    for variant, gone in found.gone.groupby("variant", sort=False):
        if gone["step"].min() == gone["step"].max():  # nothing to follow
            continue
        shown = style.shown_rates(gone)
        curves = units.gone_curves(gone[gone["lr"].isin(shown)])
        yield picture(
            f"units_gone{_number(runs, variant)}",
            section,
            "When it begins: share of layer 1's units that are dead or saturated at each look at "
            "the probe set, mean over the runs with its 95 % t-interval. "
            + ("" if len(shown) == gone["lr"].nunique() else units_figures.RATES_SHOWN),
            "Share of layer 1's units dead or saturated by minibatch, a line an activation.",
            partial(units_figures.draw_gone, str(variant), curves, curves["activation"]),
        )


def _trajectories(store: Store, runs: StudyRuns, seed: int) -> Iterator[Picture]:
    used = runs.used[runs.used["seed"] == seed]
    note = ""
    if edge.is_fine(runs):
        used = used.merge(edge.rates_drawn(edge.edges(edge.outcome_map(runs.cells))))
        note = f" {edge_text.RATES_DRAWN}"

    for (variant, activation), own in used.groupby(["variant", "activation"], sort=False):
        rows = as_columns(own).to_dict("records")
        title = f"{activation}, seed {seed}" + (f", {variant}" if variant else "")
        yield picture(
            f"trajectories_{activation}{_number(runs, variant)}",
            "How units move and die",
            f"{title}: training accuracy, then mean incoming weight and bias of the output units "
            "and of the first ten units of layer 1, by minibatch. A line that moves is a unit that "
            f"learns; a flat one is read as a dying unit.{note}",
            f"Five rows of panels for {title}, a column a learning rate: "
            + "; ".join(f"{rate_text(row['lr'])} {row['outcome']}" for row in rows),
            partial(_draw_trajectories, store, runs.study, title, rows),
        )


def _draw_trajectories(
    store: Store, study: str, title: str, rows: Sequence[dict[Any, Any]]
) -> Figure:
    return draw_trajectories(title, [_drawn(store, study, row) for row in rows])


def _drawn(store: Store, study: str, run: dict[Any, Any]) -> Drawn:
    return Drawn(
        run["lr"],
        run["outcome"],
        read_run_table("history", store, study, run["run_id"]),
        read_run_table("trajectory", store, study, run["run_id"]),
    )


def as_columns(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs by rising rate; those of the article's two rates as it has them: 0.01, then 0.001."""
    return runs.sort_values("lr", ascending=set(runs["lr"]) != ARTICLE_RATES, kind="stable")


def picture(
    name: str,
    section: str,
    caption: str,
    alt: str,
    draw: Callable[..., Figure],
    data: Callable[[], tuple[Any, ...]] = tuple,
) -> Picture:
    # A name from the store must not lead out of the folder.
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
    return Picture(safe, section, caption, alt, draw, data)
