"""The schema of MLflow's database: its revisions and its tables, found without importing MLflow."""

import re
from collections.abc import Collection, Iterator
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

MIGRATIONS = "store/db_migrations/versions"  # in MLflow's package: a file a revision
# Revisions whose tables actscope itself writes; SHA-256 of the names of all their tables.
TESTED_SCHEMAS = {
    "dc11669786a5": "2fd2127977e1b88d5177666cc7172ec9699daf7757ebdfdc67975962876d3d9f",
}


@cache
def installed_schema() -> str:
    """The revision of the schema that the installed MLflow makes: the one that none follows."""
    texts = [path.read_text() for path in _migrations()]
    (newest,) = _named("revision", texts) - _named("down_revision", texts)
    return newest


def missing_tables(revision: str, tables: Collection[str]) -> list[str]:
    """Tables that a database of the installed MLflow has, and that are not among these."""
    if TESTED_SCHEMAS.get(revision) == hash_of_names(tables):
        return []
    # Imported only where the names are not the known ones; `utils` imports all tables.
    import_module("mlflow.store.db.utils")
    from mlflow.store.db.base_sql_model import Base

    return sorted(set(Base.metadata.tables) - set(tables))


def hash_of_names(tables: Collection[str]) -> str:
    return sha256("\n".join(sorted(tables)).encode()).hexdigest()


def _migrations() -> Iterator[Path]:
    spec = find_spec("mlflow")
    for folder in (spec and spec.submodule_search_locations) or ():
        yield from (Path(folder) / MIGRATIONS).glob("*.py")


def _named(name: str, texts: Collection[str]) -> set[str]:
    """The revisions that the migrations give as their `name`."""
    pattern = re.compile(rf'^{name}(?:: [^=]+)? = "(\w+)"', re.MULTILINE)
    return {found[1] for text in texts if (found := pattern.search(text))}
