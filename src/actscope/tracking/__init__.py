"""Runs in MLflow: write and read them. No other package imports mlflow."""

import os

# Read by mlflow: by default it phones home, and it asks an unreachable server for four minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
# Else a model's requirements are those of the uv project that the current directory is in.
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
# Else it asks a server for every run that ends, to print its address.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from actscope.tracking.environment import keep_files, surroundings_kept
from actscope.tracking.errors import store_errors
from actscope.tracking.heartbeat import beating, is_alive
from actscope.tracking.local_store import LocalStore
from actscope.tracking.locate import locate_store, open_store
from actscope.tracking.offline_queue import (
    best_effort,
    deliver_spooled,
    is_away,
    look_into,
    spool_folder,
)
from actscope.tracking.packed_tables import TABLES, log_packs, piles, read_pile
from actscope.tracking.run_index import STACK, Attempt, read_attempts
from actscope.tracking.run_reader import (
    METRICS,
    PARAMS,
    read_history,
    read_probe,
    read_runs,
    read_trajectory,
)
from actscope.tracking.run_writer import OpenRun, begin_run, fail_run, finish_run, show_progress
from actscope.tracking.server_store import ServerStore
from actscope.tracking.store import Store
from actscope.tracking.sweeps import (
    Cell,
    Sweep,
    begin_sweep,
    claimed_elsewhere,
    close_abandoned,
    close_as_lost,
    end_sweep,
    is_open,
    living_sweeps,
    read_grid,
    summarise_sweep,
)
from actscope.tracking.system_metrics import machine_watched

__all__ = [
    "METRICS",
    "PARAMS",
    "STACK",
    "TABLES",
    "Attempt",
    "Cell",
    "LocalStore",
    "OpenRun",
    "ServerStore",
    "Store",
    "Sweep",
    "beating",
    "begin_run",
    "begin_sweep",
    "best_effort",
    "claimed_elsewhere",
    "close_abandoned",
    "close_as_lost",
    "deliver_spooled",
    "end_sweep",
    "fail_run",
    "finish_run",
    "is_alive",
    "is_away",
    "is_open",
    "keep_files",
    "living_sweeps",
    "locate_store",
    "log_packs",
    "look_into",
    "machine_watched",
    "open_store",
    "piles",
    "read_attempts",
    "read_grid",
    "read_history",
    "read_pile",
    "read_probe",
    "read_runs",
    "read_trajectory",
    "show_progress",
    "spool_folder",
    "store_errors",
    "summarise_sweep",
    "surroundings_kept",
]
