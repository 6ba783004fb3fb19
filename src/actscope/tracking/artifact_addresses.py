"""Addresses of artifacts in a store's database, compared with the folder that the store is in."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from actscope.errors import StoreError


def path_of(address: str) -> Path | None:
    """The path on this machine that an address of MLflow's names; None for other addresses."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if parts.scheme else Path(address)


def is_address_of(address: str, folder: Path) -> bool:
    # Most are equal as texts; others may name a link.
    if address == folder.as_uri():
        return True
    path = path_of(address)
    return path is not None and path.resolve() == folder.resolve()


def check_address(study: str, recorded: str, folder: Path, doctor: str) -> None:
    """Check that a study's artifacts are recorded under the folder that its store is in.

    `doctor`: the command that corrects addresses.

    Raises:
        StoreError: they are not: the project was moved, or another program made the study.

    """
    if is_under(recorded, folder):
        return
    if is_server_address(recorded):
        raise StoreError(
            f"study={study}: its artifacts are recorded at {recorded}, where only a server can put "
            f"them. Run `{doctor}` to set an address next to the store."
        )
    if path_of(recorded) is None:
        raise StoreError(
            f"study={study}: its artifacts are recorded at {recorded}, but its store is on this "
            "machine. Choose another name."
        )
    raise StoreError(
        f"study={study}: its artifacts are recorded in {path_of(recorded)}, but its store is in "
        f"{folder}. If the project was moved, run `{doctor}`. Otherwise choose another name."
    )


def is_under(address: str, folder: Path) -> bool:
    """Whether an address names something under a folder of this machine."""
    path = path_of(address)
    return path is not None and path.resolve().is_relative_to(folder.resolve())


def is_server_address(address: str) -> bool:
    """Whether an address leaves it to a tracking server where artifacts are."""
    return urlsplit(address).scheme == "mlflow-artifacts"
