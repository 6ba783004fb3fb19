"""What MLflow's UI shows: descriptions, views, addresses, a study's report; and the UI itself."""

import json
import os
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from actscope.metric import Metric
from actscope.tracking.local_store import LocalStore
from actscope.tracking.run_index import SWEEPS, read_summaries
from actscope.tracking.store import Store
from actscope.tracking.ui_charts import charts_state

if TYPE_CHECKING:
    import pandas as pd

NOTE = "mlflow.note.content"  # the tag that the UI shows as a description
# MLflow stores a shared view in a tag with this prefix and opens it by ?viewStateShareKey=<suffix>.
VIEW = "mlflow.sharedViewState."
GONE = "metrics.`saturated/hidden`"  # a dead unit is also saturated
POINTS = "tags.`actscope.kind` = 'point'"
CELLS = [{"mode": "param", "groupByData": name} for name in ("activation", "lr")]
REPORT = "report"  # the folder among the artifacts of the sweep's run
POINT_DIGITS = 12  # of the hash of a point's settings in addresses
REPORTS = "/reports"  # where `serve` has the folder of reports
LONGEST_NOTE = 8000  # MLflow cuts longer ones; cells.csv has all rows


def study_tags(study: str, metric: Metric) -> dict[str, str]:
    """Tags of a study's experiment; its runs are judged by the metric."""
    views = {f"{VIEW}{name}": json.dumps(view) for name, view in _views(metric).items()}
    return {NOTE: about_study(study, metric), **views}


def _views(metric: Metric) -> dict[str, dict[str, Any]]:
    final = f"metrics.`test/{metric.name}_final`"
    # The name of a run has activation, rate and seed. MLflow puts metrics first and tags last.
    columns = ["tags.`actscope.outcome`", f"tags.`actscope.{metric.name}`", final, GONE]
    return {
        "actscope-runs": {
            "searchFilter": POINTS,
            "orderByKey": final,
            "orderByAsc": metric.is_smallest_best,
            "selectedColumns": columns,
        },
        "actscope-charts": {
            "searchFilter": POINTS,
            "groupBy": {"aggregateFunction": "average", "groupByKeys": CELLS},
            "runsHiddenMode": "SHOWALL",
            "selectedColumns": columns,
            **charts_state(metric),
        },
    }


def view_addresses(server: str, experiment_id: str) -> dict[str, str]:
    """Addresses of MLflow's UI for a study: its runs with selected columns, and their charts."""
    view = f"{runs_address(server, experiment_id)}?viewStateShareKey="
    return {
        "runs": f"{view}actscope-runs",
        "charts": f"{view}actscope-charts&compareRunsMode=CHART",
    }


def runs_address(server: str, experiment_id: str) -> str:
    """Address of a study's runs in MLflow's UI. With `/` and its id it is the address of a run."""
    return f"{server}/#/experiments/{experiment_id}/runs"


def runs_in_ui(store: Store, study: str) -> str:
    """Where MLflow's UI shows the study's runs; '' where the UI's address is not known.

    Raises:
        StoreError: the store is unreachable, or has no such study.

    """
    if store.ui == "":
        return ""
    return runs_address(store.ui, store.find_experiment(study).experiment_id)


def attach_report(store: Store, study: str, pages: Mapping[str, bytes]) -> None:
    """Put a report's pages among the artifacts of the newest sweep, if there is a sweep.

    They replace the pages of an earlier report.

    Raises:
        StoreError: the store is unreachable, or cannot be written.

    """
    sweeps = read_summaries(store, store.find_experiment(study).experiment_id, SWEEPS)
    if sweeps:
        store.put_files(study, sweeps[-1].run_id, pages, REPORT)


def report_address(study: str) -> str:
    """Address of a study's report on the server that `serve` starts."""
    return f"{REPORTS}/{quote(study)}/"


def explorer_address(study: str, config_hash: str) -> str:
    """Address of a point in the explorer of its study's report."""
    return f"{report_address(study)}explore.html#point={config_hash[:POINT_DIGITS]}"


def serve(store: LocalStore, reports: Path, host: str, port: int) -> None:
    """Serve MLflow's UI and a folder of reports until a signal ends it.

    `mlflow server` would start one more process, and each would import MLflow again.
    """
    warnings.simplefilter("ignore")  # MLflow's libraries warn its developers
    # Not before they are needed, and uvicorn first: by it MLflow sees that it is to serve.
    import uvicorn
    from mlflow.server.constants import (
        ARTIFACT_ROOT_ENV_VAR,
        BACKEND_STORE_URI_ENV_VAR,
        SERVE_ARTIFACTS_ENV_VAR,
    )

    os.environ[BACKEND_STORE_URI_ENV_VAR] = store.uri
    os.environ[ARTIFACT_ROOT_ENV_VAR] = (store.folder / "artifacts").as_uri()
    os.environ[SERVE_ARTIFACTS_ENV_VAR] = "true"
    # The module's import makes the application from these variables.
    from mlflow.server.fastapi_app import app
    from starlette.routing import Mount

    from actscope.tracking.report_files import ReportFiles

    # Before MLflow's own routes: the last of them takes each address that is left.
    app.router.routes.insert(0, Mount(REPORTS, ReportFiles(reports)))
    uvicorn.run(app, host=host, port=port, log_level="warning")


def about_study(study: str, metric: Metric) -> str:
    """The description of an experiment: what its runs are, and how to read them."""
    return f"""\
A study of actscope: a grid of activation functions, learning rates and seeds, a run a point.

- A **sweep** is a run. Its description shows the best cell and the mean {metric.words} of every \
cell.
  Its child runs are the points, named `selu lr=0.01 seed=3`.
- `test/{metric.name}_final` and `_best` are single values.
- `train/...` and `test/...` are series by epoch.
- `actscope.outcome`: `learned`, `failed` (it did not learn) or `diverged`.
- `actscope.{metric.name}`: the final {metric.words} with four digits.
- `saturated/hidden`: share of the hidden units that are gone: dead or saturated.
- `dead/layer1`: share of the layer's units whose slope is zero on the whole probe set.
- `saturated/layer1`: share of the units whose slope is negligible on practically all of them.
- `layer1/unit03/weight_mean`: some steps of `trajectory.parquet`; `trajectories.svg` shows all.

Statistics and figures: `make report STUDY={study}`.
"""


def about_sweep(cells: "pd.DataFrame", best: Sequence[str] = ()) -> str:
    """The description of a sweep: its best cells and a table.

    `cells`: of summary.cell_means; `best`: of summary.best_in_words.
    """
    columns = ["lr", "activation", "mean", "sd", "n", "outcomes"]
    if cells["variant"].any():
        columns.append("variant")
    heading = [_line(columns), _line(["---"] * len(columns))]
    rows = [_line(_shown(cell)[name] for name in columns) for cell in cells.to_dict("records")]
    note = "\n".join([*(f"{words}\n" for words in best), *heading, *rows])
    return note if len(note) <= LONGEST_NOTE else note[:LONGEST_NOTE].rpartition("\n")[0]


def _shown(cell: Mapping[Hashable, Any]) -> dict[str, str]:
    found = {name: cell[f"final_{name}"] for name in ("mean", "sd")}
    numbers = {name: f"{value:.4f}" if isfinite(value) else "-" for name, value in found.items()}
    texts = {name: str(cell[name]) for name in ("activation", "n", "outcomes", "variant")}
    return {"lr": f"{cell['lr']:g}", **numbers, **texts}


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
