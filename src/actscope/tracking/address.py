"""Where artifacts lie: addresses in a store's database against the folder that it is in now."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from actscope.errors import StoreError


def path_of(address: str) -> Path | None:
    """Path on this machine that an address of MLflow's names; None for one of another kind."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if parts.scheme else Path(address)


def is_address_of(address: str, folder: Path) -> bool:
    # Most are, to the letter; others may come by a link.
    if address == folder.as_uri():
        return True
    path = path_of(address)
    return path is not None and path.resolve() == folder.resolve()


def check_address(study: str, recorded: str, folder: Path | None, doctor: str) -> None:
    """Hold a study's artifact location against the folder that its store is in, if it is in one.

    `doctor`: the command that sets addresses right.

    Raises:
        StoreError: it is on this machine, but not under that folder: the project was moved.

    """
    path = path_of(recorded)
    if folder is None or path is None or path.resolve().is_relative_to(folder.resolve()):
        return
    raise StoreError(
        f"study {study} keeps its artifacts in {path}, but its store is in {folder} now: "
        f"`{doctor}` fixes that where the project was moved; else name another with study=..."
    )
