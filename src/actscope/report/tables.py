"""The tables of a report and its manifest, as the bytes of files."""

import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actscope.report.claims import Verdict
from actscope.report.frames import POINT, StudyRuns, rate_text
from actscope.spreadsheet import to_csv

RUN_COLUMNS = ["run_id", "name", *POINT, "status", "outcome", "used", "why", "final", "best"]
NO_INTERVAL = "none: one run"
DASH = "\N{EN DASH}"
# What pandas does not escape: LaTeX's default fonts are old, and have other signs in these places.
LATEX_SIGNS = str.maketrans({"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"})


@dataclass(frozen=True, eq=False)
class Table:
    """A table of a section: `full` goes to a csv, `readable` to a md, a tex and to the page."""

    name: str
    caption: str
    full: pd.DataFrame
    readable: pd.DataFrame
    is_folded: bool = True  # on the page, until a reader opens it

    @property
    def files(self) -> dict[str, bytes]:
        return _files(self.name, self.full, self.readable)


def table_files(
    runs: StudyRuns, cells: pd.DataFrame, comparisons: pd.DataFrame
) -> dict[str, bytes]:
    """Files of the tables `summary`, `comparisons` and `runs`."""
    return {
        **_files("summary", cells, readable_summary(cells)),
        **_files("comparisons", comparisons, readable_comparisons(comparisons)),
        **run_files(runs.runs),
    }


def run_files(all_runs: pd.DataFrame) -> dict[str, bytes]:
    """`tables/runs`: StudyRuns.runs, with a column `study` where there are several."""
    columns = [*(name for name in ["study"] if name in all_runs), *RUN_COLUMNS]
    full = all_runs[[*columns, "sweep", "commit"]]
    readable = full[columns].assign(
        final=full["final"].map(percent), best=full["best"].map(percent)
    )
    readable = readable.rename(columns={"final": "final, %", "best": "best, %"})
    return _files("runs", full, readable)


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
    return without_empty_variant(table)


def readable_comparisons(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of activations in points, as `readable_differences`."""
    columns: dict[str, Any] = {
        "variant": comparisons["variant"],
        "lr": [rate_text(lr) for lr in comparisons["lr"]],
        "first - second": comparisons["first"] + " - " + comparisons["second"],
        "n": comparisons["n"],
        **readable_differences(comparisons),
    }
    table = pd.DataFrame(columns)
    return without_empty_variant(table)


def without_empty_variant(table: pd.DataFrame) -> pd.DataFrame:
    """Without the column of variants where the study has but one, which has no name."""
    return table if table["variant"].any() else table.drop(columns="variant")


def readable_differences(comparisons: pd.DataFrame) -> dict[str, Any]:
    """stats.Comparison in points; what is not known is a dash, and `interval by` says why."""
    return {
        "difference, points": [points(mean) for mean in comparisons["mean"]],
        "95 % interval": [
            DASH if pd.isna(low) else f"{points(low)} to {points(high)}"
            for low, high in zip(comparisons["low"], comparisons["high"], strict=True)
        ],
        "interval by": comparisons["method"],
        "p": [_p_text(p) for p in comparisons["p"]],
        "p, Holm": [_p_text(p) for p in comparisons["p_holm"]],
        "P(first better)": [
            DASH if pd.isna(share) else f"{share:.2f}" for share in comparisons["improvement"]
        ],
        "seeds to resolve it": [
            DASH if pd.isna(seeds) else str(int(seeds)) for seeds in comparisons["seeds_needed"]
        ],
    }


def claim_files(verdicts: Sequence[Verdict]) -> dict[str, bytes]:
    """`tables/claims`: every claim with its verdict and what that rests on."""
    table = pd.DataFrame(
        {
            "id": [verdict.claim.id for verdict in verdicts],
            "claim": [verdict.claim.text for verdict in verdicts],
            "source": [verdict.claim.source for verdict in verdicts],
            "verdict": [verdict.in_words for verdict in verdicts],
            "numbers": ["; ".join(verdict.numbers) for verdict in verdicts],
            "what would settle it": [verdict.advice for verdict in verdicts],
            "rule": [verdict.claim.rule for verdict in verdicts],
            "runs": [" ".join(verdict.run_ids) for verdict in verdicts],
        }
    )
    rulings = [str(verdict.ruling) for verdict in verdicts]
    # LaTeX's own fonts have no ✓ and no ✗.
    return {
        **_files("claims", table, table),
        "tables/claims.tex": _latex(table.assign(verdict=rulings)),
    }


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


def manifest(
    studies: Sequence[Mapping[str, Any]], verdicts: Sequence[Verdict], files: Mapping[str, bytes]
) -> bytes:
    """The studies of a report as `study_manifest` has them, its claims, and each file's SHA-256.

    A report on one study is not nested: it has the keys of that study.
    """
    content = {
        **(studies[0] if len(studies) == 1 else {"studies": list(studies)}),
        "claims": [
            {"id": v.claim.id, "verdict": str(v.ruling), "runs": list(v.run_ids)} for v in verdicts
        ],
        "files": {name: hashlib.sha256(files[name]).hexdigest() for name in files},
    }
    return f"{json.dumps(content, indent=1, sort_keys=True, allow_nan=False)}\n".encode()


def study_manifest(runs: StudyRuns, seed: int | None) -> dict[str, Any]:
    """Every run with whether and why it is used, and every missing point.

    `seed`: whose trajectories are drawn, if any are.
    """
    return {
        "study": runs.study,
        "trajectories_of_seed": seed,
        "points_in_grid": runs.grid_size,
        "missing_points": [_plain(point) for point in runs.missing.to_dict("records")],
        "runs": [_plain(run) for run in runs.runs.to_dict("records")],
    }


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as JSON has it: what is not known is null."""
    values = {str(key): None if pd.isna(value) else value for key, value in row.items()}
    return {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in values.items()
    }


def points(difference: float) -> str:
    """A difference of fractions in points of per cent."""
    return DASH if pd.isna(difference) else f"{round(100 * difference, 3) + 0.0:+.3f}"  # no -0.000


def _p_text(p: float) -> str:
    if pd.isna(p):
        return DASH
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def _files(name: str, full: pd.DataFrame, readable: pd.DataFrame) -> dict[str, bytes]:
    """A table as csv in full precision, and as md and tex for people."""
    return {
        f"tables/{name}.csv": to_csv(full).encode(),
        f"tables/{name}.md": _markdown(readable),
        f"tables/{name}.tex": _latex(readable),
    }


def _markdown(table: pd.DataFrame) -> bytes:
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "".join(f"| {' | '.join(map(_markdown_cell, line))} |\n" for line in lines).encode()


def _markdown_cell(value: object) -> str:
    return html.escape(_in_a_line(value), quote=False).replace("|", "\\|")


def _latex(table: pd.DataFrame) -> bytes:
    """A tabular with the rules of the package booktabs."""
    cells = table.map(_in_a_line).reset_index(drop=True).style.hide(axis="index")
    cells = cells.format(_latex_signs, escape="latex")
    cells = cells.format_index(_latex_signs, escape="latex", axis="columns")
    return cells.to_latex(hrules=True).encode()


def _latex_signs(text: object) -> str:
    return str(text).translate(LATEX_SIGNS)


def _in_a_line(value: object) -> str:
    return "" if pd.isna(value) else " ".join(str(value).split())  # type: ignore[call-overload]
