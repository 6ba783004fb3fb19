"""SQL on MLflow's tables in the database of a local store.

MLflow's own search reads every metric and parameter of every run, which takes ten times as long.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from math import nan
from pathlib import Path
from typing import Any

from actscope.tracking.rows import Experiment, RunRow

SECONDS_FOR_A_QUERY = 20.0  # as long as MLflow waits for a lock
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


@contextmanager
def connected(database: Path, seconds: float | None = None) -> Iterator[sqlite3.Connection]:
    """Open the database. `seconds`: how long to wait for another process's lock."""
    seconds = SECONDS_FOR_A_QUERY if seconds is None else seconds
    # Not mode=ro: SQLite must be able to roll back what a killed process has left half-written.
    # It opens a read-only file all the same.
    address = f"{database.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=seconds)) as connection:
        yield connection


def read_schema(database: Path, seconds: float) -> tuple[set[str], str | None]:
    """Names of the tables, and the version of MLflow's schema if the database has one.

    Raises:
        DatabaseLocked: another process still holds the database after these seconds.

    """
    try:
        with connected(database, seconds) as connection:
            tables = {name for (name,) in connection.execute(TABLES)}
            if "alembic_version" not in tables:
                return tables, None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return tables, None if row is None else str(row[0])
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise DatabaseLocked(*error.args) from error


class DatabaseLocked(sqlite3.OperationalError):
    """Another process holds the database."""


def find_corruption(database: Path) -> str | None:
    """The first fault that SQLite's own check finds."""
    with connected(database) as connection:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if found == "ok" else " ".join(found.split())


def experiments(database: Path) -> list[Experiment]:
    """All experiments, sorted by name; those in MLflow's trash are included."""
    query = (
        "SELECT CAST(experiment_id AS TEXT), name, artifact_location, lifecycle_stage = 'active' "
        "FROM experiments ORDER BY name"
    )
    with connected(database) as connection:
        all_tags = "SELECT CAST(experiment_id AS TEXT), key, value FROM experiment_tags"
        tags = _by_run(connection.execute(all_tags))
        return [
            Experiment(experiment_id, name, location, bool(is_active), tags[experiment_id])
            for experiment_id, name, location, is_active in connection.execute(query)
        ]


def count_finished(database: Path, study: str) -> int:
    """Number of finished runs of a study; 0 where the database cannot be read now."""
    query = (
        "SELECT count(*) FROM runs JOIN experiments e USING (experiment_id) "
        "WHERE e.name = ? AND runs.status = 'FINISHED'"
    )
    try:
        with connected(database, seconds=0) as connection:
            return int(connection.execute(query, [study]).fetchone()[0])
    except sqlite3.Error:  # the command that opens the store says what is wrong
        return 0


def experiment_of(database: Path, run_id: str) -> str | None:
    """Id of a run's experiment; None where there is no such run, or its experiment is deleted."""
    query = (
        "SELECT CAST(experiment_id AS TEXT) FROM runs JOIN experiments e USING (experiment_id) "
        "WHERE run_uuid = ? AND e.lifecycle_stage = 'active'"
    )
    return _value(database, query, run_id)


def _value(database: Path, query: str, run_id: str) -> str | None:
    with connected(database) as connection:
        row = connection.execute(query, [run_id]).fetchone()
    return None if row is None else str(row[0])


def point_rows(database: Path, experiment_id: str) -> Iterator[RunRow]:
    """Runs of an experiment's points, with all that is logged but the metrics' history."""
    runs = (
        "SELECT run_uuid FROM runs JOIN tags USING (run_uuid) "
        "WHERE experiment_id = ? AND lifecycle_stage = 'active' "
        "AND key = 'actscope.kind' AND value = 'point'"
    )
    with connected(database) as connection:

        def select(columns: str, table: str) -> Iterator[Any]:
            query = f"SELECT {columns} FROM {table} WHERE run_uuid IN ({runs})"  # noqa: S608 - fixed words
            return connection.execute(query, [experiment_id])

        tags = _by_run(select("run_uuid, key, value", "tags"))
        params = _by_run(select("run_uuid, key, value", "params"))
        values = select("run_uuid, key, value, is_nan", "latest_metrics")
        metrics = _by_run(
            (run, key, nan if is_nan else value) for run, key, value, is_nan in values
        )
        about = select("run_uuid, name, status, start_time, end_time", "runs")
        for run_id, name, status, started, ended in about:
            logged = tags[run_id], params[run_id], metrics[run_id]
            yield RunRow(run_id, name, status, started, ended, *logged)


def summary_rows(
    database: Path,
    experiment_id: str,
    tags: Mapping[str, str],
    metrics: Sequence[str],
    *,
    is_unfinished: bool,
    is_deleted: bool = False,
) -> Iterator[RunRow]:
    """Runs of an experiment that have these tags, with their tags of actscope and these metrics.

    `is_unfinished`: without those that are FINISHED. `is_deleted`: those in MLflow's trash.
    """
    runs = (
        "SELECT run_uuid, name, status, start_time, end_time FROM runs "
        "WHERE experiment_id = ? AND lifecycle_stage = ?"
    )
    values = [experiment_id, "deleted" if is_deleted else "active"]
    for tag in tags.items():
        runs += " AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)"
        values += tag
    if is_unfinished:
        runs += " AND status != 'FINISHED'"
    own_tags = (
        f"SELECT run_uuid, key, tags.value FROM tags JOIN ({runs}) USING (run_uuid) "  # noqa: S608 - fixed words
        "WHERE key LIKE 'actscope.%' AND key != 'actscope.artifacts'"
    )
    of_metrics = (
        f"SELECT run_uuid, key, value FROM latest_metrics JOIN ({runs}) USING (run_uuid) "  # noqa: S608 - fixed words
        f"WHERE NOT is_nan AND key IN ({', '.join('?' * len(metrics))})"
    )
    with connected(database) as connection:
        tags_of = _by_run(connection.execute(own_tags, values))
        metrics_of = _by_run(connection.execute(of_metrics, [*values, *metrics]))
        for run_id, name, status, started, ended in connection.execute(runs, values):
            tags = tags_of[run_id]
            yield RunRow(run_id, name, status, started, ended, tags, {}, metrics_of[run_id])


def _by_run(rows: Iterable[tuple[str, str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for run_id, key, value in rows:
        found[run_id][key] = value
    return found


def metric_rows(database: Path, run_id: str) -> Iterator[tuple[str, float, int, int]]:
    """Every value of a run's metrics: name, value, timestamp (ms since 1970), step."""
    query = "SELECT key, value, is_nan, timestamp, step FROM metrics WHERE run_uuid = ?"
    with connected(database) as connection:
        for key, value, is_nan, timestamp, step in connection.execute(query, [run_id]):
            yield key, nan if is_nan else value, timestamp, step


def tag_values(database: Path, experiment_id: str, key: str) -> dict[str, str]:
    """A tag's value in each run of an experiment that has the tag, by run id."""
    query = (
        "SELECT run_uuid, value FROM tags JOIN runs USING (run_uuid) "
        "WHERE experiment_id = ? AND key = ?"
    )
    with connected(database) as connection:
        return dict(connection.execute(query, [experiment_id, key]))


def studies_of_runs(database: Path) -> dict[str, str]:
    """The study of each run by run id; runs in MLflow's trash are included."""
    query = "SELECT run_uuid, e.name FROM runs JOIN experiments e USING (experiment_id)"
    with connected(database) as connection:
        return dict(connection.execute(query))


def artifact_addresses(database: Path) -> list[tuple[str, int, str | None, str]]:
    """Where the database says that artifacts are: study, experiment id, run id or None, address.

    An experiment that holds only other programs' runs is left out, and so are these runs.
    """
    of_actscope = "EXISTS(SELECT 1 FROM tags WHERE run_uuid = r.run_uuid AND key = 'actscope.kind')"
    runs = "SELECT 1 FROM runs r WHERE r.experiment_id = e.experiment_id"
    query = (
        "SELECT e.name, e.experiment_id, NULL, e.artifact_location FROM experiments e "  # noqa: S608 - fixed words
        "WHERE e.lifecycle_stage = 'active' AND e.name != 'Default' "
        f"AND (NOT EXISTS({runs}) OR EXISTS({runs} AND {of_actscope})) "
        "UNION ALL SELECT e.name, e.experiment_id, run_uuid, r.artifact_uri FROM experiments e "
        f"JOIN runs r USING (experiment_id) WHERE e.lifecycle_stage = 'active' AND {of_actscope}"
    )
    with connected(database) as connection:
        return connection.execute(query).fetchall()


def set_artifact_addresses(
    database: Path, addresses: Iterable[tuple[int, str | None, str]]
) -> None:
    """Write addresses of artifacts, all or none: experiment id, run id or None, address."""
    with connected(database) as connection, connection:
        for experiment_id, run_id, address in addresses:
            if run_id is None:
                connection.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
                    [address, experiment_id],
                )
            else:
                connection.execute(
                    "UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", [address, run_id]
                )
