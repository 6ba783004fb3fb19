"""The tables of a study's summary, comparisons and runs."""

from typing import Any

import numpy as np
import pandas as pd

from actscope.analysis.frames import POINT
from actscope.analysis.labels import rate_text
from actscope.analysis.ranking import ranked_by
from actscope.analysis.shares import run_share
from actscope.analysis.stats import INTERVAL, is_mixed
from actscope.analysis.study_analysis import StudyAnalysis
from actscope.report.tables.files import (
    DASH,
    file_formats,
    interval,
    over_both,
    percent,
    points,
    without_empty_variant,
)

OVER_BOTH = "95 % interval over seeds and images"
RUN_COLUMNS = ["run_id", "name", *POINT, "status", "outcome", "used", "why", "final"]


def table_files(study: StudyAnalysis) -> dict[str, bytes]:
    """Files of the tables `summary`, `comparisons` and `runs`."""
    return {
        **file_formats("summary", study.cells, readable_summary(study.cells)),
        **file_formats("comparisons", study.comparisons, readable_comparisons(study.comparisons)),
        **run_files(study.runs.runs),
    }


def run_files(all_runs: pd.DataFrame) -> dict[str, bytes]:
    """`tables/runs`: StudyRuns.runs, with a column `study` where there are several."""
    columns = [*(name for name in ["study"] if name in all_runs), *RUN_COLUMNS]
    full = all_runs[[*columns, "sweep", "commit"]]
    readable = full[columns].assign(final=full["final"].map(percent))
    readable = readable.rename(columns={"final": "final, %"})
    return file_formats("runs", full, readable)


def readable_summary(cells: pd.DataFrame) -> pd.DataFrame:
    """The summary in per cent; without the column of variants if there is only one."""
    columns: dict[str, Any] = {
        "variant": cells["variant"],
        "activation": cells["activation"],
        "lr": [rate_text(lr) for lr in cells["lr"]],
        "learned": [_learned_text(row) for row in cells.to_dict("records")],
        "outcomes": cells["outcomes"],
        "n": cells["n"],
        "mean, %": cells["final_mean"].map(percent),
        "sd": cells["final_sd"].map(percent),
        INTERVAL: [interval(row) for row in cells.to_dict("records")],
        OVER_BOTH: [over_both(row, percent) or DASH for row in cells.to_dict("records")],
        "highest in": [DASH if pd.isna(w) else f"{100 * w:.0f} %" for w in cells["wins"]],
    }
    if ranked_by(cells) == "validation_mean":
        columns["validation mean, %"] = cells["validation_mean"].map(percent)
    table = pd.DataFrame(columns)
    return without_empty_variant(table)


def _learned_text(cell: dict[Any, Any]) -> str:
    """`4 of 5 (28 to 99 %)`, with `mixed` where some runs learned and some did not."""
    found = run_share(cell["learned"], cell["runs"])
    known = not np.isnan(found.low)
    interval = f" ({100 * found.low:.0f} to {100 * found.high:.0f} %)" if known else ""
    return f"{cell['learned']} of {cell['runs']}{interval}{', mixed' if is_mixed(cell) else ''}"


def readable_comparisons(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of activations in points, as `readable_differences`."""
    columns: dict[str, Any] = {
        "variant": comparisons["variant"],
        "lr": [rate_text(lr) for lr in comparisons["lr"]],
        "first - second": comparisons["first"] + " - " + comparisons["second"],
        "learned": [
            f"{row['first_learned']} of {row['first_runs']}, "
            f"{row['second_learned']} of {row['second_runs']}"
            for row in comparisons.to_dict("records")
        ],
        "n": comparisons["n"],
        **readable_differences(comparisons),
        OVER_BOTH: differences_over_both(comparisons),
    }
    table = pd.DataFrame(columns)
    return without_empty_variant(table)


def readable_differences(comparisons: pd.DataFrame) -> dict[str, Any]:
    """stats.Comparison in points; unknown values are dashes, and the interval gives the reason."""
    return {
        "difference, points": [points(mean) for mean in comparisons["mean"]],
        INTERVAL: [_interval_text(row) for row in comparisons.to_dict("records")],
        "p": [_p_text(p) for p in comparisons["p"]],
        "p, Holm": [_p_text(p) for p in comparisons["p_holm"]],
        "first better": [_better_text(row) for row in comparisons.to_dict("records")],
        "pairs needed": [
            DASH if pd.isna(seeds) else str(int(seeds)) for seeds in comparisons["pairs_needed"]
        ],
    }


def differences_over_both(comparisons: pd.DataFrame) -> list[str]:
    """The intervals over seeds and images in points; a dash where there is none."""
    return [over_both(row, points) or DASH for row in comparisons.to_dict("records")]


def _interval_text(row: dict[Any, Any]) -> str:
    if pd.isna(row["low"]):
        return f"none: {row['method']}"
    return f"{points(row['low'])} to {points(row['high'])}"


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
