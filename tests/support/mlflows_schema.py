"""The SQL of the empty database that the installed MLflow makes.

`python -m tests.support.mlflows_schema` writes it into the package after an update of MLflow.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient

from actscope.tracking.schema import SCHEMAS, installed_schema


def mlflows_script() -> str:
    """The SQL, without the experiment `Default`, whose folder and times are of one machine."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{path}").search_experiments(max_results=1)
        return script_of_database(path)


def definitions(script: str) -> list[str]:
    """The lines of a script, sorted: constraints are in another order in each process."""
    return sorted(line.strip(" \t,") for line in script.splitlines())


def script_of_database(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        lines = connection.iterdump()
        return "".join(f"{line}\n" for line in lines if "VALUES(0,'Default'," not in line)


if __name__ == "__main__":
    (SCHEMAS / f"{installed_schema()}.sql").write_text(mlflows_script())
