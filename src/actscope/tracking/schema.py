"""The schema of MLflow's database: its revisions and its tables, found without importing MLflow."""

import re
from collections.abc import Collection, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

MIGRATIONS = "store/db_migrations/versions"  # in MLflow's package: a file a revision
SCHEMAS = Path(__file__).with_name("schemas")  # SQL that makes a database as MLflow does
TESTED_SCHEMAS = {path.stem for path in SCHEMAS.glob("*.sql")}  # revisions that actscope writes
TABLE = re.compile(r'^CREATE TABLE "?(\w+)', re.MULTILINE)


@cache
def installed_schema() -> str:
    """The revision of the schema that the installed MLflow makes: the one that none follows."""
    texts = [path.read_text() for path in _migrations()]
    (newest,) = _named("revision", texts) - _named("down_revision", texts)
    return newest


def script_of(revision: str) -> str:
    """The SQL that makes an empty database of a tested revision."""
    return (SCHEMAS / f"{revision}.sql").read_text()


def missing_tables(revision: str, tables: Collection[str]) -> list[str]:
    """Tables that a database of the installed MLflow has, and that are not among these."""
    if revision in TESTED_SCHEMAS:
        return sorted(set(TABLE.findall(script_of(revision))) - set(tables))
    import_module("mlflow.store.db.utils")  # it imports all tables
    from mlflow.store.db.base_sql_model import Base

    return sorted(set(Base.metadata.tables) - set(tables))


def _migrations() -> Iterator[Path]:
    spec = find_spec("mlflow")
    for folder in (spec and spec.submodule_search_locations) or ():
        yield from (Path(folder) / MIGRATIONS).glob("*.py")


def _named(name: str, texts: Collection[str]) -> set[str]:
    """The revisions that the migrations give as their `name`."""
    pattern = re.compile(rf'^{name}(?:: [^=]+)? = "(\w+)"', re.MULTILINE)
    return {found[1] for text in texts if (found := pattern.search(text))}
