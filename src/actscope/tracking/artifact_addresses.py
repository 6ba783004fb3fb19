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
        StoreError: it is not under that folder: the project was moved, or another program made it.

    """
    if folder is None or lies_in(recorded, folder):
        return
    if is_servers(recorded):
        raise StoreError(
            f"study={study}: keeps its artifacts at {recorded}, where only a server can put them. "
            f"Run `{doctor}`, which sets the address beside the store."
        )
    if path_of(recorded) is None:
        raise StoreError(
            f"study={study}: keeps its artifacts at {recorded}, but its store is on this machine. "
            "Choose another name."
        )
    raise StoreError(
        f"study={study}: keeps its artifacts in {path_of(recorded)}, but its store is in {folder}. "
        f"If the project was moved, run `{doctor}`. Otherwise choose another name."
    )


def lies_in(address: str, folder: Path) -> bool:
    """Whether an address is of something under a folder of this machine."""
    path = path_of(address)
    return path is not None and path.resolve().is_relative_to(folder.resolve())


def is_servers(address: str) -> bool:
    """Whether an address tells a tracking server to keep artifacts where it pleases."""
    return urlsplit(address).scheme == "mlflow-artifacts"
