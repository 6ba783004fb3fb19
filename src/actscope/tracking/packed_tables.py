"""Tables of many runs in one file, so that reading them from a server costs one request.

A pack is one Parquet file for each of TABLES. Each run has a row group in it, and the first column
is the run's id. Packs are artifacts of the sweep's run. They are a second copy: every run has its
own files.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, NamedTuple, TypeVar

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet

from actscope.artifacts.parquet import parquet_layout, to_table
from actscope.engine.result import RunResult
from actscope.errors import first_line
from actscope.tracking.errors import STORE_ERRORS, is_missing
from actscope.tracking.offline_queue import is_known_unreachable
from actscope.tracking.run_reader import RUN_ID
from actscope.tracking.server_store import ServerStore
from actscope.tracking.store import Store
from actscope.tracking.sweeps import Sweep

TABLES = ("history", "trajectory", "probe", "layers", "predictions")
PACKS = "runs"  # the folder among the artifacts of the sweep's run: runs/history/<name>.parquet
PACK_TAG = "actscope.pack"  # of a run: the id of its sweep's run, a slash, the pack's name
RUNS_A_PACK = 20
FEWEST = 5  # of fewer runs, a pack saves few requests

Key = TypeVar("Key")
Content = TypeVar("Content")

log = logging.getLogger(__name__)


def log_packed_tables(
    store: Store, sweep: Sweep, results: Mapping[str, RunResult]
) -> dict[str, str]:
    """Log packs of runs that are about to finish; returns each run's PACK_TAG.

    `results`: by run id. A local store gets none: there a file costs no request. If a server
    refuses a pack, this is logged, and the runs have only their own files.
    """
    if not isinstance(store, ServerStore):
        return {}
    if sweep.parent_run_id is None or is_known_unreachable(store):
        return {}
    ids = list(results)
    found: dict[str, str] = {}
    for start in range(0, len(ids), RUNS_A_PACK):
        some = ids[start : start + RUNS_A_PACK]
        if len(some) < FEWEST:
            break
        try:
            _log_pack(store, sweep.parent_run_id, {run_id: results[run_id] for run_id in some})
        except Exception as error:  # noqa: BLE001 - packs are only copies
            log.warning("the tables of some runs are not packed: %s", first_line(error))
            break
        found |= dict.fromkeys(some, f"{sweep.parent_run_id}/{some[0]}")
    return found


class RunGroup(NamedTuple, Generic[Key]):
    """Runs that are read together. `pack`: their PACK_TAG, or '' for a run that is not packed."""

    pack: str
    keys: Sequence[Key]


def run_groups(packs: Iterable[str], keys: Iterable[Key]) -> list[RunGroup[Key]]:
    """Group keys of runs by their packs; a run without a pack is a group of its own."""
    found: list[RunGroup[Key]] = []
    packed: dict[str, list[Key]] = {}
    for pack, key in zip(packs, keys, strict=True):
        if pack == "":
            found.append(RunGroup("", [key]))
        else:
            packed.setdefault(pack, []).append(key)
    return [*(RunGroup(pack, own) for pack, own in packed.items()), *found]


def read_run_group(
    store: Store,
    study: str,
    tables: Sequence[str],
    read: Callable[[Store, str, Key], Content],
    group: RunGroup[Key],
) -> list[tuple[Key, Content]]:
    """What `read` returns for each run of a group, whose tables are fetched together."""
    with _unpacked(store, study, tables, group.pack) as fetched:
        return [(key, read(fetched, study, key)) for key in group.keys]


@contextmanager
def _unpacked(store: Store, study: str, tables: Sequence[str], pack: str) -> Iterator[Store]:
    """The store with these tables of a pack on this machine, until the end of the context."""
    if pack == "" or not isinstance(store, ServerStore):
        yield store
        return
    with TemporaryDirectory(prefix="actscope-") as folder:
        fetch = partial(_fetch, store, study, pack, Path(folder))
        list(store.read_in_order(fetch, tables))
        yield replace(store, packed_tables=Path(folder))


def _fetch(store: ServerStore, study: str, pack: str, folder: Path, table: str) -> None:
    sweep, _, name = pack.partition("/")
    path = folder / f"{table}.parquet"
    try:
        store.download(study, f"{sweep}/artifacts/{PACKS}/{table}/{name}.parquet", path)
    except STORE_ERRORS as error:
        if not is_missing(error):
            raise
        # Somebody has deleted the pack: the runs have their own files.
        path.unlink(missing_ok=True)


def _log_pack(store: Store, sweep_run_id: str, results: Mapping[str, RunResult]) -> None:
    name = next(iter(results))
    with TemporaryDirectory(prefix="actscope-") as scratch:
        for table in TABLES:
            folder = Path(scratch) / table
            folder.mkdir()
            _write(table, results, folder / f"{name}.parquet")
        store.client.log_artifacts(sweep_run_id, scratch, PACKS)


def _write(table: str, results: Mapping[str, RunResult], path: Path) -> None:
    # One by one: the trajectories of a whole stack may not fit into memory a second time.
    rows = (_with_id(run_id, getattr(result, table)) for run_id, result in results.items())
    first = next(rows)
    with parquet.ParquetWriter(path, first.schema, **parquet_layout(first.schema)) as file:
        for of_run in chain([first], rows):
            file.write_table(of_run, row_group_size=max(1, len(of_run)))


def _with_id(run_id: str, frame: pd.DataFrame) -> pa.Table:
    table = to_table(frame)
    return table.add_column(0, RUN_ID, pa.array([run_id] * len(table), pa.string()))
