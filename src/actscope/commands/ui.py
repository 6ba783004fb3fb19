"""Show the runs of a store in MLflow's UI: `python -m actscope ui`, `make ui`."""

import os
import socket

from actscope import tracking
from actscope.config import Tracking
from actscope.errors import StoreError
from actscope.project import ROOT
from actscope.runtime import signals
from actscope.tracking import ui as tracking_ui

HOST = "127.0.0.1"
SERVER_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else MLflow also starts a job runner
}


def run(settings: Tracking, port: int, reports: str) -> int:
    """Print the addresses of the studies and of their reports, then run MLflow's server."""
    check_can_serve(tracking.locate_store(settings), port)
    store = tracking.open_store(settings, to_write=False)
    assert isinstance(store, tracking.LocalStore)
    studies = store.studies()
    address = f"http://{HOST}:{port}"
    print(f"MLflow's UI: {address}   (stop with Ctrl-C)")  # noqa: T201
    for study, experiment_id in studies.items():
        views = tracking_ui.view_addresses(address, experiment_id)
        if (ROOT / reports / study / "index.html").is_file():
            views["report"] = f"{address}{tracking_ui.report_address(study)}"
        for view, link in views.items():
            print(f"  {study}, {view}: {link}", flush=True)  # noqa: T201
    os.environ.update(SERVER_SETTINGS)
    signals.raise_interrupts()
    tracking_ui.serve(store, ROOT / reports, HOST, port)
    return 0


def check_can_serve(store: tracking.Store, port: int) -> None:
    """Raise StoreError if the store is a server, which has its own UI, or if the port is in use."""
    if not isinstance(store, tracking.LocalStore):
        raise StoreError(f"The store is the server {store}. Open that address in a browser.")
    check_port(HOST, port, "--port 5001 or `make ui PORT=5001`")


def check_port(host: str, port: int, advice: str) -> None:
    """Raise StoreError if no server can listen on this port; `advice` names another one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", error)
            raise StoreError(
                f"port {port} on {host} cannot be used ({reason}). Give another one, like {advice}."
            ) from error
