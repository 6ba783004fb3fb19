"""The connection to a Dask scheduler that runs already, with the certificates that it asks for."""

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

SECONDS_TO_ANSWER = 5.0  # of a scheduler that is asked for the first time

# Its pages for a browser ask nobody for a password.
WITHOUT_PAGES: dict[str, Any] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextmanager
def kept_private() -> Iterator[None]:
    """Keep what Dask starts here from other users of the machine, but for its ports.

    Dask puts its folder into sys.path, of the sweep's own process too, and has one in /tmp that
    another user may have made.
    """
    with (
        TemporaryDirectory(prefix="actscope-", ignore_cleanup_errors=True) as folder,
        dask.config.set({**WITHOUT_PAGES, "temporary-directory": folder}),
    ):
        yield


def quieten() -> None:
    """Hydra makes the root logger talkative, and a cluster tells it of every connection."""
    # Each of them is given a level of its own when distributed is imported.
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def connected(scheduler: str) -> Iterator["Client"]:
    """A client of the scheduler at an address, as hydra.launcher.scheduler gives it.

    Raises:
        ClusterError: nobody answers, or one of the two does not trust the other.

    """
    from distributed import Client
    from distributed.comm.core import CommClosedError

    quieten()
    setting = f"hydra.launcher.scheduler={scheduler}"
    security = _configured_security(scheduler)
    try:
        client = Client(scheduler, timeout=SECONDS_TO_ANSWER, security=security)
    except (CommClosedError, ValueError) as error:  # ValueError: tls:// where none is spoken
        raise ClusterError(
            f"{setting}: the scheduler closes the connection. Give tls:// and certificates that it "
            "trusts, or tcp:// where it has none (docs/cluster.md)"
        ) from error
    except RuntimeError as error:
        raise ClusterError(f"{setting}: {error}. Give the address of its tls:// port") from error
    except OSError as error:
        raise ClusterError(
            f"{setting} does not answer within {SECONDS_TO_ANSWER:g} s: "
            "start it (dask scheduler), or correct the address"
        ) from error
    with client:
        yield client


def _configured_security(scheduler: str) -> "Security":
    """Certificates as Dask's own configuration names them.

    Raises:
        ClusterError: they cannot be read, or there are none although the address needs them.

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
            f"{setting}: Dask's certificates cannot be read ({reason}). Correct {names}"
        ) from error
    if context is None and scheduler.startswith("tls://"):
        raise ClusterError(f"{setting}: Dask has no certificates. Set {names} (docs/cluster.md)")
    return security


def warn_if_open(client: "Client", name: str, console: Console) -> None:
    """Say in a line that a cluster runs the programs of anyone who reaches it."""
    if str(client.scheduler_info()["address"]).startswith("tls://"):
        return
    console.print(
        f"warning: cluster {name} has no TLS. Anyone who reaches it can run programs as the user "
        "of its workers: docs/cluster.md",
        soft_wrap=True,
    )
