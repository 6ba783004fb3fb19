"""The tables of a study's summary, comparisons and runs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.axis import RATE, Axis
from actscope.analysis.ranking import ranked_by
from actscope.analysis.shares import run_share
from actscope.analysis.stats import INTERVAL, is_mixed
from actscope.analysis.study_analysis import StudyAnalysis
from actscope.metric import ACCURACY, Metric
from actscope.report.tables.files import (
    DASH,
    file_formats,
    interval,
    over_both,
    readable,
)

OVER_BOTH = "95 % interval over seeds and examples"
ENDED = ["status", "outcome", "used", "why", "final"]


def table_files(study: StudyAnalysis) -> dict[str, bytes]:
    """Files of the tables `summary`, `comparisons` and `runs`."""
    cells, pairs, shown_by = study.cells, study.comparisons, (study.metric, study.axis)
    return {
        **file_formats("summary", cells, readable_summary(cells, *shown_by)),
        **file_formats("comparisons", pairs, readable_comparisons(pairs, *shown_by)),
        **run_files(study.runs.runs, *shown_by),
    }


def run_files(all_runs: pd.DataFrame, metric: Metric, axis: Axis = RATE) -> dict[str, bytes]:
    """`tables/runs`: StudyRuns.runs, with a column `study` where there are several."""
    study = [name for name in ["study"] if name in all_runs]
    columns = [*study, "run_id", "name", *axis.point, *ENDED]
    full = all_runs[[*columns, "sweep", "commit"]]
    shown = full[columns].assign(final=full["final"].map(metric.number))
    shown = shown.rename(columns={"final": metric.heading("final")})
    return file_formats("runs", full, shown)


def readable_summary(cells: pd.DataFrame, metric: Metric, axis: Axis = RATE) -> pd.DataFrame:
    """The summary in the metric's unit; without the column of variants if there is only one."""
    columns: dict[str, Any] = {
        axis.column: cells[axis.column].map(axis.text),
        "learned": [_learned_text(row) for row in cells.to_dict("records")],
        "outcomes": cells["outcomes"],
        "n": cells["n"],
        metric.heading("mean"): cells["final_mean"].map(metric.number),
        "sd": cells["final_sd"].map(metric.number),
        INTERVAL: [interval(row, metric) for row in cells.to_dict("records")],
    }
    if metric is ACCURACY:  # of other metrics no example is right or wrong
        columns |= {
            OVER_BOTH: [over_both(row, metric.number) or DASH for row in cells.to_dict("records")],
            "highest in": [DASH if pd.isna(w) else f"{100 * w:.0f} %" for w in cells["wins"]],
        }
    if ranked_by(cells) == "validation_mean":
        heading = metric.heading("validation mean")
        columns[heading] = cells["validation_mean"].map(metric.number)
    return readable(cells, axis.cell, columns)


def _learned_text(cell: dict[Any, Any]) -> str:
    """`4 of 5 (28 to 99 %)`, with `mixed` where some runs learned and some did not."""
    found = run_share(cell["learned"], cell["runs"])
    known = not np.isnan(found.low)
    interval = f" ({100 * found.low:.0f} to {100 * found.high:.0f} %)" if known else ""
    return f"{cell['learned']} of {cell['runs']}{interval}{', mixed' if is_mixed(cell) else ''}"


def readable_comparisons(
    comparisons: pd.DataFrame, metric: Metric, axis: Axis = RATE
) -> pd.DataFrame:
    """The comparisons of activations, as `readable_differences`."""
    columns = {
        axis.column: comparisons[axis.column].map(axis.text),
        "first - second": comparisons["first"] + " - " + comparisons["second"],
        "learned": [
            f"{row['first_learned']} of {row['first_runs']}, "
            f"{row['second_learned']} of {row['second_runs']}"
            for row in comparisons.to_dict("records")
        ],
        "n": comparisons["n"],
        **readable_differences(comparisons, metric),
        **differences_over_both(comparisons, metric),
    }
    return readable(comparisons, ["variant", axis.column], columns)


def readable_differences(comparisons: pd.DataFrame, metric: Metric) -> dict[str, Any]:
    """stats.Comparison as it is shown; for unknown values the interval gives the reason."""
    return {
        metric.difference_heading("difference"): [
            DASH if pd.isna(mean) else metric.difference(mean) for mean in comparisons["mean"]
        ],
        INTERVAL: [interval_of_difference(row, metric) for row in comparisons.to_dict("records")],
        "p": [_p_text(p) for p in comparisons["p"]],
        "p, Holm": [_p_text(p) for p in comparisons["p_holm"]],
        "first better": [_better_text(row) for row in comparisons.to_dict("records")],
        "pairs needed": [
            DASH if pd.isna(seeds) else str(int(seeds)) for seeds in comparisons["pairs_needed"]
        ],
    }


def differences_over_both(comparisons: pd.DataFrame, metric: Metric) -> dict[str, list[str]]:
    """The column of intervals over seeds and examples; a dash where there is none.

    Without it where no example is right or wrong.
    """
    if metric is not ACCURACY:
        return {}
    rows = comparisons.to_dict("records")
    return {OVER_BOTH: [over_both(row, metric.difference) or DASH for row in rows]}


def interval_of_difference(row: Mapping[Any, Any], metric: Metric) -> str:
    """The interval of a mean difference, or why there is none."""
    if pd.isna(row["low"]):
        return f"none: {row['method']}"
    return f"{metric.difference(row['low'])} to {metric.difference(row['high'])}"


def _better_text(row: dict[Any, Any]) -> str:
    """`4 of 5, 1 tie`."""
    if row["n"] == 0:
        return DASH
    ties = f", {row['ties']:.0f} tie{'s' if row['ties'] > 1 else ''}" if row["ties"] else ""
    return f"{row['better']:.0f} of {row['n']}{ties}"


def _p_text(p: float) -> str:
    if pd.isna(p):
        return DASH
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"
