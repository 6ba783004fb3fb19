"""A store with a study that was logged once: to log it anew for every test takes seconds."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from actscope import tracking
from actscope.config import Tracking
from actscope.tracking import Store


def copy_store(folder: Path, to: Path) -> Store:
    """The same store in another folder, whose database has the addresses of that."""
    shutil.copytree(folder / "mlruns", to / "mlruns")
    database = to / "mlruns" / "mlflow.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",  # noqa: S608 - fixed words
                [folder.as_uri(), to.as_uri()],
            )
    return tracking.open_store(Tracking(f"sqlite:///{database}"))
