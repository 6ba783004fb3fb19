"""What MLflow's UI tells of a study and of a sweep, and the views that it opens a study with."""

import json
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

NOTE = "mlflow.note.content"  # the tag that the UI shows as a description
# MLflow keeps a view that people share in a tag, and opens it by ?viewStateShareKey=<what follows>.
VIEW = "mlflow.sharedViewState."
COLUMNS = [
    *("params.`activation`", "params.`lr`", "params.`seed`", "tags.`actscope.outcome`"),
    *("metrics.`test/accuracy_final`", "metrics.`test/accuracy_best`"),
    *("metrics.`dead/layer1`", "metrics.`saturated/layer1`"),
]
POINTS = "tags.`actscope.kind` = 'point'"
CELLS = [{"mode": "param", "groupByData": name} for name in ("activation", "lr")]
VIEWS: Mapping[str, Mapping[str, Any]] = {
    "actscope-runs": {
        "searchFilter": POINTS,
        "orderByKey": "metrics.`test/accuracy_final`",
        "orderByAsc": False,
        "selectedColumns": COLUMNS,
    },
    "actscope-charts": {
        "searchFilter": POINTS,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": CELLS},
        "runsHiddenMode": "SHOWALL",
        "selectedColumns": COLUMNS,
    },
}
ROWS_SHOWN = 60  # MLflow cuts a note at 8,000 characters; cells.csv has all rows


def study_tags(study: str) -> dict[str, str]:
    """Tags of a study's experiment."""
    views = {f"{VIEW}{name}": json.dumps(view) for name, view in VIEWS.items()}
    return {NOTE: about_study(study), **views}


def view_addresses(server: str, experiment_id: str) -> dict[str, str]:
    """Where MLflow's UI shows a study's runs with the columns that tell most, and their charts."""
    view = f"{runs_address(server, experiment_id)}?viewStateShareKey="
    return {
        "runs": f"{view}actscope-runs",
        "charts": f"{view}actscope-charts&compareRunsMode=CHART",
    }


def runs_address(server: str, experiment_id: str) -> str:
    """Where MLflow's UI has a study's runs; a single one is at its id under it."""
    return f"{server}/#/experiments/{experiment_id}/runs"


def about_study(study: str) -> str:
    """What the runs of an experiment are, and how to read them."""
    return f"""\
A study of actscope: a grid of activation functions, learning rates and seeds, a run a point.

- A **sweep** is a run whose own description tells the best cell and the mean of every other; the
  points, named `selu lr=0.01 seed=3`, stand under it.
- `test/accuracy_final` and `_best` are a point's; `train/...` and `test/...` go by epoch.
- `actscope.outcome`: `learned`, `failed` (it did not learn) or `diverged`.
- `dead/layer1`: share of the layer's units whose slope is zero on all probe images;
  `saturated/layer1`: negligible on practically all.
- `layer1/unit03/weight_mean`: a thinned copy of `trajectory.parquet`; `trajectories.png` shows it.

Statistics and figures: `make report STUDY={study}`.
"""


def about_sweep(cells: pd.DataFrame) -> str:
    """The best cell and the others; `cells` as results.cell_means gives."""
    heading = ["| lr | activation | mean | sd | n | outcomes |", "|---|---|---|---|---|---|"]
    rows = [_row(cell) for cell in cells.head(ROWS_SHOWN).to_dict("records")]
    return "\n".join([*_best(cells.dropna(subset="mean")), *heading, *rows])


def _best(cells: pd.DataFrame) -> list[str]:
    if cells.empty:
        return []
    best = cells.sort_values("mean", ascending=False, kind="stable").iloc[0]
    return [
        f"Best: **{best['activation']}** at learning rate {best['lr']:g}, final test accuracy",
        f"{best['mean']:.4f} (mean, n={best['n']}).",
        "",
    ]


def _row(cell: Mapping[Hashable, Any]) -> str:
    numbers = [f"{cell[name]:.4f}" for name in ("mean", "sd")]
    row = [f"{cell['lr']:g}", cell["activation"], *numbers, str(cell["n"]), cell["outcomes"]]
    return f"| {' | '.join(row)} |"
