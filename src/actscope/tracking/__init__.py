"""Runs in MLflow: write one, read many. No other package imports mlflow."""

import os

# Read by mlflow: by default it phones home, and it asks a server that is away for four minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")

from actscope.tracking.reading import (
    fetch_artifact,
    read_history,
    read_probe,
    read_runs,
    read_trajectory,
)
from actscope.tracking.store import (
    STORE_ERRORS,
    Store,
    ensure_experiment,
    find_experiment,
    locate_store,
    open_store,
    studies,
)
from actscope.tracking.writing import (
    Sweep,
    begin_run,
    begin_sweep,
    describe,
    end_sweep,
    fail_run,
    finish_run,
)

__all__ = [
    "STORE_ERRORS",
    "Store",
    "Sweep",
    "begin_run",
    "begin_sweep",
    "describe",
    "end_sweep",
    "ensure_experiment",
    "fail_run",
    "fetch_artifact",
    "find_experiment",
    "finish_run",
    "locate_store",
    "open_store",
    "read_history",
    "read_probe",
    "read_runs",
    "read_trajectory",
    "studies",
]
