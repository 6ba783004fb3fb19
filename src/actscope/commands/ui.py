"""Serve the project's store in MLflow's own UI: `python -m actscope ui`, `make ui`."""

import os
import socket
import sys
from collections.abc import Sequence
from functools import partial

from actscope import tracking
from actscope.command_line.settings import OneLineParser, exit_code
from actscope.config import Tracking, parse
from actscope.errors import StoreError
from actscope.runtime import signals

HOST = "127.0.0.1"
SERVER_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else it starts a job runner beside itself
}


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit code."""
    return exit_code(partial(serve, words))


def serve(words: Sequence[str] | None) -> int:
    """Print where to look, then be MLflow's server."""
    parser = OneLineParser(prog="actscope ui", description=__doc__)
    parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default 5000)")
    port = parser.parse_args(words).port
    settings = parse(Tracking, {"uri": os.environ.get("MLFLOW_TRACKING_URI")}, "tracking")
    check_can_serve(tracking.locate_store(settings), port)
    store = tracking.open_store(settings, to_write=False)
    studies = tracking.studies(store)
    address = f"http://{HOST}:{port}"
    print(f"MLflow's UI: {address}   (Ctrl-C ends it)")  # noqa: T201
    for study, experiment_id in studies.items():
        for view, link in tracking.view_addresses(address, experiment_id).items():
            print(f"  {study}, {view}: {link}", flush=True)  # noqa: T201
    os.environ.update(SERVER_SETTINGS)
    signals.raise_interrupts()
    tracking.serve(store, HOST, port)
    return 0


def check_can_serve(store: tracking.Store, port: int) -> None:
    """Raise StoreError where the store is on a server, which has its own UI, or the port taken."""
    if store.folder is None:
        raise StoreError(f"the store is the server {store}: open that address in a browser")
    check_port(HOST, port, "as --port 5001, or `make ui PORT=5001`")


def check_port(host: str, port: int, advice: str) -> None:
    """Raise StoreError, with advice to give another one, unless a server can listen on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", error)
            raise StoreError(
                f"port {port} on {host} cannot be used ({reason}): give another, {advice}"
            ) from error


if __name__ == "__main__":
    sys.exit(main())
