"""Keeps files in stores and bundles from being imported.

`python -m` imports from the current folder. In a store, that folder may hold files of other people.
This module imports nothing that could be in such a folder.
"""

import os
import sys

PARTS_OF_A_STORE = ("artifacts", "checkpoints", "spool")


def forget_stores() -> None:
    """Remove folders of stores and of unpacked bundles from `sys.path`."""
    sys.path[:] = [folder for folder in sys.path if not is_in_store(folder)]


def is_in_store(folder: str) -> bool:
    """Whether a folder belongs to a store or to an unpacked bundle."""
    folder = os.path.realpath(folder)  # "" is the current folder
    while folder != (parent := os.path.dirname(folder)):  # noqa: PTH120 - pathlib is not imported yet
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
