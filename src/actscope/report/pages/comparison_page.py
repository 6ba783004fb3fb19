"""The report that compares two studies, as files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from actscope.analysis import comparison
from actscope.analysis.axis import RATE
from actscope.analysis.comparison import SIDES, Pair
from actscope.analysis.labels import natural
from actscope.analysis.stats import INTERVAL
from actscope.analysis.study_analysis import StudyAnalysis
from actscope.metric import ACCURACY, Metric, learned_by
from actscope.report import manifest
from actscope.report.explorer import explore
from actscope.report.figures import comparison as comparison_figures
from actscope.report.figures.metric import signs_in_words
from actscope.report.pages.overview import overviews, show_mean
from actscope.report.pages.page import (
    Chapter,
    Picture,
    Section,
    begin_drawing,
    gather_sections,
    render_page,
)
from actscope.report.pages.run_list import Row, RunList
from actscope.report.pages.study_page import REBUILD
from actscope.report.process_pool import WorkerPool
from actscope.report.run_digests import read_digests
from actscope.report.tables import files as table_files
from actscope.report.tables import study as study_tables
from actscope.report.tables.comparison import of_side, tables_of
from actscope.report.tables.files import Table
from actscope.report.templates import environment
from actscope.report.text import methods
from actscope.report.text.comparison import answer, in_lines
from actscope.tracking import Store
from actscope.tracking.ui import runs_in_ui

RATES_SHOWN = (
    "The rates that both studies have are shown, or all rates if they share none, but at most five."
)


def build(
    store: Store, both: Pair, pool: WorkerPool, on_step: Callable[[], None] = lambda: None
) -> dict[str, bytes]:
    """All files of the report by their names; they are the same for every pool.

    `on_step` is called after each run that is read and each figure that is drawn.

    Raises:
        NoRunsError: no run of one of them can be read.

    """
    analyses: list[StudyAnalysis] = []
    all_series: dict[str, str] = {}
    for study in both.studies:
        analysis, series = read_digests(store, study, pool, on_step)
        analyses.append(analysis)
        all_series |= series
    correct = {**analyses[0].correct, **analyses[1].correct}
    both = comparison.pair(analyses[0].runs, analyses[1].runs, correct)
    renamed = [
        replace(analysis, runs=study)
        for analysis, study in zip(analyses, both.studies, strict=True)
    ]
    begun = begin_drawing(contents(both, renamed), pool)
    lists = [
        RunList(study, f"{side}-", study.study, runs_in_ui(store, study.study))
        for side, study in zip(SIDES, both.studies, strict=True)
    ]
    own = {table.name: table for table in tables_of(both)}
    all_runs = pd.concat([study.runs.assign(study=study.study) for study in both.studies])
    found, files = gather_sections(begun, on_step)
    files |= study_tables.run_files(all_runs, both.metric)
    for table in own.values():
        files |= table.files
    title = " and ".join(both.names)
    files["index.html"] = render_page(title, [_chapter(both, found, own, lists)], [])
    files[explore.NAME] = explore.build(title, {s.study: s for s in both.studies}, all_series)
    studies = [manifest.study_manifest(study, None) for study in both.studies]
    files["manifest.json"] = manifest.manifest(studies, [], files)
    return files


def steps(both: Pair) -> int:
    """How often `build` calls `on_step`."""
    return sum(len(study.used) for study in both.studies) + 2 * both.cells["variant"].nunique()


def contents(both: Pair, analyses: Sequence[StudyAnalysis]) -> Iterator[Picture]:
    """The pictures, in the order of the page; `analyses`: of the studies of `both`."""
    tables = [
        _of_both(both, [study.cells for study in both.studies]),
        _of_both(both, [study.used for study in both.studies]),
        _of_both(both, [analysis.accuracy_by_epoch for analysis in analyses]),
        _of_both(both, [analysis.failed_by_epoch for analysis in analyses]),
    ]
    variants = sorted(set(tables[0]["variant"]), key=natural)
    for number, variant in enumerate(variants, 1):
        end = f"_variant{number}" if len(variants) > 1 else ""
        cells, runs, curves, failed = (table[table["variant"] == variant] for table in tables)
        yield _by_rate(end, variant, cells, runs, both)
        if pd.concat([curves["epoch"], failed["epoch"]]).max() > 1:
            yield _by_epoch(end, variant, curves, failed, cells, both)


def _of_both(both: Pair, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    named = [table.assign(study=name) for name, table in zip(both.names, tables, strict=True)]
    # A table without rows has no types, and would take them from the other.
    return pd.concat([table for table in named if len(table)] or named, ignore_index=True)


def _by_rate(
    end: str, variant: str, cells: pd.DataFrame, runs: pd.DataFrame, both: Pair
) -> Picture:
    metric = both.metric
    return Picture(
        f"final_{metric.name}_by_rate{end}",
        f"Final test {metric.words} by rate",
        f"Final test {metric.words} over the learning rate. {signs_in_words()} Panels titled "
        f"“enlarged” show the same on a larger scale.{metric.cut_off}",
        f"Mean final test {metric.words} over the learning rate, one panel per activation, one "
        "line per study. The table has the numbers.",
        partial(comparison_figures.draw_by_rate, variant, cells, runs, both.names, metric),
    )


def _by_epoch(
    end: str,
    variant: str,
    curves: pd.DataFrame,
    failed: pd.DataFrame,
    cells: pd.DataFrame,
    both: Pair,
) -> Picture:
    studies, metric = both.names, both.metric
    rates = [set(cells.loc[cells["study"] == study, "lr"]) for study in studies]
    either = cells[cells["lr"].isin(rates[0] & rates[1] or rates[0] | rates[1])]
    shown = RATE.shown(either["lr"])
    note = "" if len(shown) == cells["lr"].nunique() else f" {RATES_SHOWN}"
    drawn = cells[cells["lr"].isin(shown)]
    return Picture(
        f"test_{metric.name}_by_epoch{end}",
        f"Test {metric.words} by epoch",
        f"Test {metric.words} at the end of each epoch: mean of the n runs of a study that "
        f"learned, with its {INTERVAL}. A thin line is a run that failed. Runs that diverged are "
        f"left out.{note}{metric.cut_off}",
        f"Mean test {metric.words} by epoch, one row of panels per activation, one column per "
        "learning rate, one line per study.",
        partial(comparison_figures.draw_by_epoch, variant, curves, failed, drawn, studies, metric),
    )


# --- the page -----------------------------------------------------------------------------------


def _chapter(
    both: Pair, found: Mapping[str, Section], own: Mapping[str, Table], lists: Sequence[RunList]
) -> Chapter:
    body = environment.load("compare.html.j2").render(
        names=both.names,
        colours=[style.colour for style in comparison_figures.study_styles(both.names).values()],
        sentences=answer(both),
        gaps=[methods.gaps(study) for study in both.studies],
        tables=own,
        interval=INTERVAL,
        split=both.first.split,
        metric=both.metric,
        learned_by=learned_by(both.metric),
        is_accuracy=both.metric is ACCURACY,
        tests=int(both.cells["p"].count()),
        overviews=overviews(both.cells, lambda _: partial(_overview_cell, lists)),
        lone=[
            (name, in_lines(both.only(side))) for side, name in zip(SIDES, both.names, strict=True)
        ],
        sections=found,
        lists=lists,
        link=partial(_link, lists),
        provenance=[methods.provenance(study) for study in both.studies],
        rebuild=[(REBUILD, f'make report ARGS="report.compare=[{",".join(both.names)}]"')],
    )
    return Chapter(" and ".join(both.names), "", body)


def _link(lists: Sequence[RunList], row: Row, column: str) -> str:
    """RunList.link of the study that a row or a column names, else of the first study."""
    about = row.get("study", column.partition(": ")[0])
    own = [run_list for run_list in lists if run_list.label == about]
    return (own or lists)[0].link(row, column)


def _overview_cell(lists: Sequence[RunList], row: Row) -> dict[str, Any]:
    sides = [of_side(row, side) for side in SIDES]
    shown = [
        None if side is None else show_mean(side, run_list)
        for side, run_list in zip(sides, lists, strict=True)
    ]
    is_shared, metric = None not in sides, lists[0].runs.metric
    behind = metric.difference_behind
    return {
        "sides": shown,
        "tone": row["ahead"],
        "difference": f"{metric.difference(row['mean'])}{behind}" if row["n"] > 0 else "",
        "interval": _interval(row, metric) if is_shared else "",
        "over_both": table_files.over_both(row, metric.difference),
        "behind": lists[0].behind(row),
    }


def _interval(row: Row, metric: Metric) -> str:
    if row["n"] == 0:
        return "no seed with which both learned"
    interval = study_tables.interval_of_difference(row, metric).replace("none:", "no interval:")
    return f"{interval}; {row['n']} seeds"
