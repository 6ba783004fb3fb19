"""Runs in MLflow: write one, read many. No other package imports mlflow."""

import os

# Read by mlflow: by default it phones home, and it asks a server that is away for four minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
# Else a model's requirements are those of whatever project of uv's the current directory is in.
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
# Else it asks a server for every run that ends, to print its address.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from actscope.tracking.bundle.intake import Arrival, take_in
from actscope.tracking.bundle.transfer import Shipment, find_shipment, pack
from actscope.tracking.edits import (
    deleted_sweeps,
    lost_grids,
    make_grid_again,
    restore_runs,
    restore_studies,
    set_kinds,
    wanted_from_trash,
    without_outcome,
    wrong_kinds,
)
from actscope.tracking.environment import keep_files, surroundings_kept
from actscope.tracking.errors import STORE_ERRORS, is_missing, store_errors
from actscope.tracking.heartbeat import beating, is_alive
from actscope.tracking.lost import LOST, close_as_lost, is_open
from actscope.tracking.offline_queue import (
    best_effort,
    deliver_spooled,
    is_away,
    look_into,
    reason_of,
    spool_folder,
)
from actscope.tracking.packed_tables import TABLES, log_packs, piles, read_pile
from actscope.tracking.repair import (
    Address,
    Stray,
    artifact_folder,
    bring_home,
    check_database,
    find_damage,
    find_exiles,
    find_strays,
    mark_failed,
    read_hashes,
    readdress,
    studies_to_check,
    wrong_addresses,
)
from actscope.tracking.reports import attach_report, runs_in_ui
from actscope.tracking.run_index import STACK, Attempt, read_attempts
from actscope.tracking.run_reader import (
    METRICS,
    PARAMS,
    fetch_artifact,
    fetched,
    read_history,
    read_in_order,
    read_probe,
    read_runs,
    read_trajectory,
)
from actscope.tracking.run_record import Parcel, logged_artifacts, sha256_of_file
from actscope.tracking.run_writer import (
    OpenRun,
    begin_run,
    fail_run,
    finish_run,
    show_progress,
)
from actscope.tracking.serving import serve
from actscope.tracking.store import (
    Store,
    ensure_experiment,
    find_experiment,
    locate_store,
    open_store,
    studies,
)
from actscope.tracking.sweeps import (
    Cell,
    Sweep,
    begin_sweep,
    claimed_elsewhere,
    close_abandoned,
    current_platform,
    end_sweep,
    find_abandoned,
    living_sweeps,
    read_grid,
    summarise_sweep,
)
from actscope.tracking.system_metrics import machine_watched
from actscope.tracking.ui import view_addresses

__all__ = [
    "LOST",
    "METRICS",
    "PARAMS",
    "STACK",
    "STORE_ERRORS",
    "TABLES",
    "Address",
    "Arrival",
    "Attempt",
    "Cell",
    "OpenRun",
    "Parcel",
    "Shipment",
    "Store",
    "Stray",
    "Sweep",
    "artifact_folder",
    "attach_report",
    "beating",
    "begin_run",
    "begin_sweep",
    "best_effort",
    "bring_home",
    "check_database",
    "claimed_elsewhere",
    "close_abandoned",
    "close_as_lost",
    "current_platform",
    "deleted_sweeps",
    "deliver_spooled",
    "end_sweep",
    "ensure_experiment",
    "fail_run",
    "fetch_artifact",
    "fetched",
    "find_abandoned",
    "find_damage",
    "find_exiles",
    "find_experiment",
    "find_shipment",
    "find_strays",
    "finish_run",
    "is_alive",
    "is_away",
    "is_missing",
    "is_open",
    "keep_files",
    "living_sweeps",
    "locate_store",
    "log_packs",
    "logged_artifacts",
    "look_into",
    "lost_grids",
    "machine_watched",
    "make_grid_again",
    "mark_failed",
    "open_store",
    "pack",
    "piles",
    "read_attempts",
    "read_grid",
    "read_hashes",
    "read_history",
    "read_in_order",
    "read_pile",
    "read_probe",
    "read_runs",
    "read_trajectory",
    "readdress",
    "reason_of",
    "restore_runs",
    "restore_studies",
    "runs_in_ui",
    "serve",
    "set_kinds",
    "sha256_of_file",
    "show_progress",
    "spool_folder",
    "store_errors",
    "studies",
    "studies_to_check",
    "summarise_sweep",
    "surroundings_kept",
    "take_in",
    "view_addresses",
    "wanted_from_trash",
    "without_outcome",
    "wrong_addresses",
    "wrong_kinds",
]
