"""The sections of a study's report: their pictures, and the words and tables with them."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from actscope.analysis.axis import Axis
from actscope.analysis.frames import ARTICLE_SEED, StudyRuns
from actscope.analysis.stats import INTERVAL
from actscope.analysis.study_analysis import StudyAnalysis
from actscope.report.figures import edge as edge_figures
from actscope.report.figures import units as units_figures
from actscope.report.figures.activation_functions import draw_functions
from actscope.report.figures.metric import draw_by_epoch, draw_final, signs_in_words
from actscope.report.figures.seeds import draw_seeds
from actscope.report.pages.page import Picture, Prose
from actscope.report.pages.trajectories import trajectory_picture
from actscope.report.tables import edge as edge_tables
from actscope.report.tables import units as units_tables
from actscope.report.text import edge as edge_text
from actscope.report.text import units as units_text
from actscope.tracking import Store

GREY = " Grey lines are the other activations."


def contents(store: Store, study: StudyAnalysis, seed: int) -> Iterator[Picture | Prose]:
    """The pictures, words and tables of a study, in the order of the page.

    `seed`: the one whose trajectories are drawn.

    Raises:
        ReportError: a file of a run cannot be read, now or when a picture is drawn.

    """
    if study.is_fine:  # too many rates for a panel each
        yield from _edge(study)
    else:
        yield from _by_value(study)
        yield from _final(study)
        yield from _seeds(study)
        yield from _by_epoch(study)
    yield from _trajectories(store, study, seed)
    yield from _units(study)
    yield Picture(
        "activation_functions",
        "The activation functions",
        "Each activation function (solid) and its derivative (dashed), for inputs from -4 to 4. A "
        "gap in the dashed line is a jump of the derivative: the function has a corner there.",
        f"Curves of {', '.join(study.activations)} and of their derivatives.",
        partial(draw_functions, study.activations),
    )


def _few(study: StudyAnalysis, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows at the values of the axis that get a panel each: all, or five if there are many."""
    if not study.has_many:
        return rows
    column = study.axis.column
    return rows[rows[column].isin(study.axis.shown(study.cells[column]))]


def _few_note(study: StudyAnalysis) -> str:
    return f" {_five_shown(study.axis)}" if study.has_many else ""


def _five_shown(axis: Axis) -> str:
    ends = "smallest and the largest" if axis.is_numeric else "first and the last"
    return f"Five of the {axis.several} are shown, including the {ends}."


def _by_value(study: StudyAnalysis) -> Iterator[Picture]:
    """The metric over an axis of numbers; the edge of rates has a section of its own."""
    if not study.axis.is_rate and study.axis.is_numeric:
        for variant in study.cells["variant"].unique():
            yield _over_axis(study, _final_title(study), str(variant))


def _over_axis(study: StudyAnalysis, section: str, variant: str) -> Picture:
    axis, metric = study.axis, study.metric
    own, runs = _of(variant, study.cells), _of(variant, study.runs.used)
    note = GREY if own["activation"].nunique() > edge_figures.HIGHLIGHTED else ""
    return Picture(
        f"{metric.name}_by_{axis.slug}{_number(study.runs, variant)}",
        section,
        f"Final {metric.words} over the {axis.label}. {signs_in_words(axis)}{note}{metric.cut_off}",
        f"Mean final {metric.words} over the {axis.label}, by activation.",
        partial(edge_figures.draw_by_value, variant, own, runs, metric, axis),
        is_for_slides=_is_first(study, variant),
    )


def _final(study: StudyAnalysis) -> Iterator[Picture]:
    metric = study.metric
    for variant, used in study.runs.used.groupby("variant", sort=False):
        cells = _few(study, _of(variant, study.cells))
        yield Picture(
            f"final_{metric.name}{_number(study.runs, variant)}",
            _final_title(study),
            f"Final {study.runs.split} {metric.words} of every run (coloured), and above it the "
            f"mean of the n runs that learned with its {INTERVAL} (black). A diverged run has no "
            "dot. "
            f"Panels titled “enlarged” have a larger scale.{metric.cut_off}{_few_note(study)}",
            f"Final {metric.words} by activation, one panel per {study.axis.one}, {len(used)} "
            "runs. The table has the numbers.",
            partial(draw_final, str(variant), _few(study, used), cells, metric, study.axis),
            is_for_slides=_is_first(study, variant),
        )


def _final_title(study: StudyAnalysis) -> str:
    return f"Final {study.runs.split} {study.metric.words}"


def _seeds(study: StudyAnalysis) -> Iterator[Picture]:
    used = study.runs.used
    of_article = used[(used["seed"] == ARTICLE_SEED) & (used["outcome"] != "diverged")]
    for variant in dict.fromkeys(of_article["variant"]):
        yield Picture(
            f"seeds{_number(study.runs, variant)}",
            _final_title(study),
            f"Every seed's final {study.metric.words}, sorted: in each row the best seed is on "
            f"top. A star marks {ARTICLE_SEED}, the only seed of the article, and the number is "
            f"its rank.{_few_note(study)}",
            f"Sorted final {study.metric.plural} of all seeds, a row per activation, a panel per "
            f"{study.axis.one}, with the article's seed among them.",
            partial(
                draw_seeds,
                variant,
                _few(study, _of(variant, used)),
                ARTICLE_SEED,
                study.metric,
                study.axis,
            ),
        )


def _by_epoch(study: StudyAnalysis) -> Iterator[Picture]:
    metric = study.metric

    def data(variant: str) -> tuple[Any, ...]:
        tables = study.accuracy_by_epoch, study.failed_by_epoch, study.cells
        return variant, *(_few(study, _of(variant, own)) for own in tables), metric, study.axis

    split = study.runs.split_of_epochs
    words = f"{split.capitalize()} {metric.words}"
    drawn = study.cells.loc[study.cells["diverged"] < study.cells["runs"], "variant"]
    for variant in dict.fromkeys(drawn):
        yield Picture(
            f"test_{metric.name}_by_epoch{_number(study.runs, variant)}",
            f"{words} by epoch",
            f"{words} at the end of each epoch: mean of the n runs that "
            f"learned, with its {INTERVAL}. A thin line is a run that failed. Runs that diverged "
            f"are left out.{metric.cut_off}{_few_note(study)}",
            f"Mean {split} {metric.words} by epoch, one line per activation, one panel per "
            f"{study.axis.one}.",
            draw_by_epoch,
            partial(data, variant),
            is_for_slides=_is_first(study, variant),
        )


def _of(variant: object, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["variant"] == variant]


def _is_first(study: StudyAnalysis, variant: object) -> bool:
    """Whether it is the variant whose figures are also made for slides."""
    return bool(study.cells["variant"].iloc[0] == variant)


def _number(runs: StudyRuns, variant: object) -> str:
    """The ending of a file's name that numbers its variant, if there are several."""
    variants = list(dict.fromkeys(runs.used["variant"]))
    return f"_variant{variants.index(str(variant)) + 1}" if len(variants) > 1 else ""


def _edge(study: StudyAnalysis) -> Iterator[Picture | Prose]:
    section = "The edge of trainability"
    tables = edge_tables.tables_of(study.outcome_shares, study.edges)
    yield Prose(section, [edge_text.RULE], tables)
    for variant, own in study.outcome_shares.groupby("variant", sort=False):
        yield Picture(
            f"outcome_map{_number(study.runs, variant)}",
            section,
            "Share of runs that learned at each activation and rate; darker is more. A dash marks "
            "failed runs, a cross diverged runs. The red bar marks the largest rate that learns.",
            f"Outcome of {len(study.runs.used)} runs by activation and rate. The table of outcomes "
            "has the numbers.",
            partial(edge_figures.draw_outcome_map, str(variant), own, _of(variant, study.edges)),
            is_for_slides=_is_first(study, variant),
        )
        yield _over_axis(study, section, str(variant))


def _units(study: StudyAnalysis) -> Iterator[Picture | Prose]:
    section = "Which units die"
    units = study.units
    if units.fates.empty:
        yield Prose(section, [units_text.NOT_RECORDED], [])
        return
    said = [text for paragraphs in units_text.in_words(units) for text in paragraphs]
    yield Prose(section, [*said, *units_text.notes(units)], units_tables.tables_of(units))
    for variant, layers in units.by_layer.groupby("variant", sort=False):
        yield _unit_shares(study, str(variant), layers)
    for variant, curves in units.inactive_by_step.groupby("variant", sort=False):
        if curves["step"].min() < curves["step"].max():  # else there is nothing to follow
            yield _inactive(study, str(variant), curves)


def _unit_shares(study: StudyAnalysis, variant: str, layers: pd.DataFrame) -> Picture:
    if study.is_fine:
        which, note = "Layer 1 only.", units_figures.NO_BAND
        draw = partial(units_figures.draw_unit_shares_by_rate, variant, layers)
    else:
        which, note = units_figures.LAYERS_SHOWN, units_figures.PALE
        which += _few_note(study)
        drawn = _few(study, layers)
        draw = partial(units_figures.draw_unit_shares, variant, drawn, study.axis)
    return Picture(
        f"unit_shares{_number(study.runs, variant)}",
        "Which units die",
        "Share of the units of n runs that end dead, saturated, silent or flat, with its "
        f"{units_tables.UNIT_INTERVAL}. {note} {which}",
        f"Share of units by fate, activation and {study.axis.name}"
        f"{f', {variant}' if variant else ''}. The table of units has the numbers.",
        draw,
        is_for_slides=_is_first(study, variant),
    )


def _inactive(study: StudyAnalysis, variant: str, curves: pd.DataFrame) -> Picture:
    axis, values = study.axis, curves[study.axis.column]
    shown = axis.shown(values)
    note = "" if len(shown) == values.nunique() else _five_shown(axis)
    drawn = curves[values.isin(shown)]
    return Picture(
        f"units_gone{_number(study.runs, variant)}",
        "Which units die",
        "Share of layer 1's units that are dead or saturated at each probe, in n runs, with its "
        f"{units_tables.UNIT_INTERVAL}. {units_figures.NO_BAND} {note}",
        "Share of layer 1's units dead or saturated by minibatch, one line per activation.",
        partial(units_figures.draw_inactive, variant, drawn, axis),
    )


def _trajectories(store: Store, study: StudyAnalysis, seed: int) -> Iterator[Picture]:
    note = f" {edge_text.RATES_DRAWN}" if study.is_fine else _few_note(study)
    drawn = study.runs_drawn(seed) if study.is_fine else _few(study, study.runs_drawn(seed))
    for (variant, activation), own in drawn.groupby(["variant", "activation"], sort=False):
        name = f"trajectories_{activation}{_number(study.runs, variant)}"
        title = f"{activation}, seed {seed}" + (f", {variant}" if variant else "")
        yield trajectory_picture(store, study, own, name, title, note)
