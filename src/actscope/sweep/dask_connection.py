"""The connection to a running Dask scheduler, with the certificates that it requires."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dask
from rich.console import Console

from actscope.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client, Security

SILENT = logging.CRITICAL + 1  # a level above all others
SECONDS_TO_ANSWER = 5.0  # for the first answer of a scheduler


def _without_pages() -> dict[str, Any]:
    """Dask's settings without web pages, which ask for no password. Dask appends to these lists."""
    return {
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }


@contextmanager
def private_folder() -> Iterator[None]:
    """Give Dask a folder that other users of this machine cannot write to.

    Dask adds its folder to sys.path, in the sweep's own process too. Its default folder in /tmp may
    have been created by another user.
    """
    with (
        TemporaryDirectory(prefix="actscope-", ignore_cleanup_errors=True) as folder,
        dask.config.set({**_without_pages(), "temporary-directory": folder}),
    ):
        yield


def silence_logs() -> None:
    """Silence Dask's loggers: Hydra's root logger would print every connection.

    A scheduler whose client is interrupted logs a traceback as critical.
    """
    # distributed sets a level for each of them when it is imported.
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(SILENT)


@contextmanager
def connected(scheduler: str) -> Iterator["Client"]:
    """Connect a client to the scheduler at this address.

    Raises:
        ClusterError: the scheduler does not answer, or scheduler and client do not trust each
            other.

    """
    from distributed import Client
    from distributed.comm.core import CommClosedError

    silence_logs()
    setting = f"hydra.launcher.scheduler={scheduler}"
    security = _configured_security(scheduler)
    try:
        client = Client(scheduler, timeout=SECONDS_TO_ANSWER, security=security)
    except (CommClosedError, ValueError) as error:  # ValueError: tls:// to a server without TLS
        raise ClusterError(
            f"{setting}: the scheduler closes the connection. Use tls:// with certificates that it "
            "trusts, or tcp:// if it has none (docs/cluster.md)."
        ) from error
    except RuntimeError as error:
        raise ClusterError(f"{setting}: {error}. Give the address of its tls:// port.") from error
    except OSError as error:
        raise ClusterError(
            f"{setting}: the scheduler does not answer within {SECONDS_TO_ANSWER:g} s. "
            "Start it (dask scheduler) or correct the address."
        ) from error
    with client:
        yield client


def _configured_security(scheduler: str) -> "Security":
    """Load the certificates that Dask's own configuration names.

    Raises:
        ClusterError: they cannot be read, or a tls:// address has none.

    """
    from distributed import Security

    names = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, __CLIENT__CERT and __CLIENT__KEY"
    setting = f"hydra.launcher.scheduler={scheduler}"
    security = Security()
    try:
        context = security.get_connection_args("client")["ssl_context"]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ClusterError(
            f"{setting}: Dask's certificates cannot be read ({reason}). Correct {names}."
        ) from error
    if context is None and scheduler.startswith("tls://"):
        raise ClusterError(f"{setting}: Dask has no certificates. Set {names} (docs/cluster.md).")
    return security


def warn_if_insecure(client: "Client", name: str, console: Console) -> None:
    """Print a warning if the cluster accepts connections without TLS."""
    if str(client.scheduler_info()["address"]).startswith("tls://"):
        return
    console.print(
        f"warning: cluster {name} has no TLS. Anyone who reaches it can run programs as the user "
        "of its workers (docs/cluster.md).",
        soft_wrap=True,
    )
