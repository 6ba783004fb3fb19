"""Keeps what stores and bundles hold out of where Python imports from.

`python -m` has it import from the current folder, which may be one of a store: among the artifacts
there are files of other people's. Nothing is imported here that could lie in such a folder.
"""

import os
import sys

PARTS_OF_A_STORE = ("artifacts", "checkpoints", "spool")


def forget_stores() -> None:
    """Remove all folders of stores, and of bundles that were unpacked, from `sys.path`."""
    sys.path[:] = [folder for folder in sys.path if not _is_in_store(folder)]


def _is_in_store(folder: str) -> bool:
    folder = os.path.realpath(folder)  # of "": the current one
    while folder != (parent := os.path.dirname(folder)):  # noqa: PTH120 - pathlib is not loaded yet
        if _is_store(folder, parent):
            return True
        folder = parent
    return False


def _is_store(folder: str, parent: str) -> bool:
    def has(*names: str) -> bool:
        return any(os.path.exists(os.path.join(folder, name)) for name in names)  # noqa: PTH110, PTH118

    name = os.path.basename(folder)  # noqa: PTH119
    return (
        (name == "mlruns" and has("mlflow.db", *PARTS_OF_A_STORE))
        or (name in PARTS_OF_A_STORE and os.path.exists(os.path.join(parent, "mlflow.db")))  # noqa: PTH110, PTH118
        or (has("manifest.json") and has("parcels"))
    )
