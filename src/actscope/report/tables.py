"""The tables of a report and its manifest, as the bytes of files."""

import hashlib
import html
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from actscope.report.frames import POINT, StudyRuns, rate_text

RUN_COLUMNS = ["run_id", "name", *POINT, "status", "outcome", "used", "why", "final", "best"]
NO_INTERVAL = "none: one run"


def table_files(runs: StudyRuns, cells: pd.DataFrame) -> dict[str, bytes]:
    """`tables/summary` and `tables/runs`, as csv in full precision and as md in per cent."""
    all_runs = runs.runs[[*RUN_COLUMNS, "sweep", "commit"]]
    readable = all_runs[RUN_COLUMNS].assign(
        final=all_runs["final"].map(percent), best=all_runs["best"].map(percent)
    )
    return {
        "tables/summary.csv": _csv(cells),
        "tables/summary.md": _markdown(readable_summary(cells)),
        "tables/runs.csv": _csv(all_runs),
        "tables/runs.md": _markdown(
            readable.rename(columns={"final": "final, %", "best": "best, %"})
        ),
    }


def readable_summary(cells: pd.DataFrame) -> pd.DataFrame:
    """The summary in per cent; without a column of variants where there are none."""
    columns: dict[str, Any] = {
        "variant": cells["variant"],
        "activation": cells["activation"],
        "lr": [rate_text(lr) for lr in cells["lr"]],
        "n": cells["n"],
        "outcomes": cells["outcomes"],
    }
    for measure in ("final", "best"):
        columns[f"{measure} mean, %"] = cells[f"{measure}_mean"].map(percent)
        columns[f"{measure} sd"] = cells[f"{measure}_sd"].map(percent)
        columns[f"{measure} 95 % t-interval"] = [
            interval(row, measure) for row in cells.to_dict("records")
        ]
    table = pd.DataFrame(columns)
    return table if cells["variant"].any() else table.drop(columns="variant")


def interval(cell: Mapping[Any, Any], measure: str) -> str:
    """The 95 % t-interval of a cell in per cent, or why there is none."""
    if cell["n"] == 0:
        return "none: no run"
    if cell["n"] == 1:
        return NO_INTERVAL
    return f"{percent(cell[f'{measure}_low'])} to {percent(cell[f'{measure}_high'])}"


def percent(value: float) -> str:
    """A fraction of 1 in per cent; nothing where it is not known."""
    return f"{100 * value:.2f}" if np.isfinite(value) else ""


def manifest(runs: StudyRuns, seed: int, files: Mapping[str, bytes]) -> bytes:
    """Every run with whether and why it is used, every missing point, and each file's SHA-256."""
    content = {
        "study": runs.study,
        "trajectories_of_seed": seed,
        "points_in_grid": runs.grid_size,
        "missing_points": [_plain(point) for point in runs.missing.to_dict("records")],
        "runs": [_plain(run) for run in runs.runs.to_dict("records")],
        "files": {name: hashlib.sha256(files[name]).hexdigest() for name in files},
    }
    return f"{json.dumps(content, indent=1, sort_keys=True, allow_nan=False)}\n".encode()


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as JSON has it: what is not known is null."""
    values = {str(key): None if pd.isna(value) else value for key, value in row.items()}
    return {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in values.items()
    }


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def _markdown(table: pd.DataFrame) -> bytes:
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "".join(f"| {' | '.join(map(_markdown_cell, line))} |\n" for line in lines).encode()


def _markdown_cell(value: object) -> str:
    text = "" if pd.isna(value) else str(value)  # type: ignore[call-overload]
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|")
