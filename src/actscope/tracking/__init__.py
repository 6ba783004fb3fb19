"""Runs in MLflow: write and read them. No other package imports mlflow.

MLflow takes seconds to import, pandas half of one, and many commands need neither. So what needs
them is imported on first use, and a local store is read and written without MLflow.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Read by mlflow: by default it phones home, and it asks an unreachable server for four minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
# Else a model's requirements are those of the uv project that the current directory is in.
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
# Else it asks a server for every run that ends, to print its address.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from actscope.tracking.errors import store_errors
from actscope.tracking.grids import GridPoint, stated_grid
from actscope.tracking.heartbeat import heartbeat_running, is_alive
from actscope.tracking.local_store import LocalStore
from actscope.tracking.locate import locate_store, open_store
from actscope.tracking.run_index import STACK, RunSummary, read_summaries
from actscope.tracking.server_store import ServerStore
from actscope.tracking.store import Store
from actscope.tracking.sweeps import (
    Sweep,
    announce_grid,
    begin_sweep,
    claimed_elsewhere,
    close_abandoned,
    close_abandoned_run,
    end_sweep,
    is_open,
    living_sweeps,
    summarise_sweep,
)

if TYPE_CHECKING:
    from actscope.tracking.packed_tables import (
        TABLES,
        log_packed_tables,
        read_run_group,
        run_groups,
    )
    from actscope.tracking.run_reader import (
        METRICS,
        PARAMS,
        read_history,
        read_layers,
        read_predictions,
        read_probe,
        read_runs,
        read_trajectory,
    )
    from actscope.tracking.run_writer import (
        OpenRun,
        begin_runs,
        fail_run,
        finish_run,
        show_progress,
    )

__all__ = [
    "METRICS",
    "PARAMS",
    "STACK",
    "TABLES",
    "GridPoint",
    "LocalStore",
    "OpenRun",
    "RunSummary",
    "ServerStore",
    "Store",
    "Sweep",
    "announce_grid",
    "begin_runs",
    "begin_sweep",
    "claimed_elsewhere",
    "close_abandoned",
    "close_abandoned_run",
    "end_sweep",
    "fail_run",
    "finish_run",
    "heartbeat_running",
    "is_alive",
    "is_open",
    "living_sweeps",
    "locate_store",
    "log_packed_tables",
    "open_store",
    "read_history",
    "read_layers",
    "read_predictions",
    "read_probe",
    "read_run_group",
    "read_runs",
    "read_summaries",
    "read_trajectory",
    "run_groups",
    "show_progress",
    "stated_grid",
    "store_errors",
    "summarise_sweep",
]
SLOW = {  # modules by what they need: pandas, or torch as well
    "packed_tables": ("TABLES", "log_packed_tables", "read_run_group", "run_groups"),
    "run_reader": (
        *("METRICS", "PARAMS", "read_history", "read_layers", "read_predictions"),
        *("read_probe", "read_runs", "read_trajectory"),
    ),
    "run_writer": ("OpenRun", "begin_runs", "fail_run", "finish_run", "show_progress"),
}


def __getattr__(name: str) -> Any:
    for module, names in SLOW.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
