"""Read the files of each run once, in any process, and keep what a report needs."""

from collections.abc import Callable, Iterator, Set
from functools import partial
from itertools import chain
from typing import NamedTuple

import pandas as pd

from actscope import tracking
from actscope.analysis import histories, units
from actscope.analysis.frames import StudyRuns
from actscope.analysis.run_tables import (
    UnreadableRunError,
    epochs_fault,
    read_correct,
    read_run_table,
)
from actscope.analysis.study_analysis import RunAnalysis, StudyAnalysis, analyse_runs
from actscope.metric import Metric
from actscope.report.explorer import series
from actscope.report.process_pool import WorkerPool
from actscope.tracking import Store

TABLES = ("history", "trajectory", "probe", "predictions")  # that a digest is made of


class Digest(NamedTuple):
    """What a report needs of one run: its analysis, and the explorer's packed series."""

    analysis: RunAnalysis
    packed: str


def read_digests(
    store: Store, runs: StudyRuns, pool: WorkerPool, on_run: Callable[[], None] = lambda: None
) -> tuple[StudyAnalysis, dict[str, str]]:
    """Read each used run once: the analysis of the study, and the explorer's series by run id.

    The analysis is without the runs that cannot be read; other runs of their points may count
    instead. `on_run` is called after each run.

    Raises:
        NoRunsError: no run is left.
        StoreError: the store does not answer.

    """
    digests: dict[str, Digest] = {}
    while True:
        unreadable = {}
        for run_id, found in _read(store, runs, digests.keys(), pool, on_run):
            if isinstance(found, UnreadableRunError):
                unreadable[run_id] = found.reason
            else:
                digests[run_id] = found
        if not unreadable:
            analysis = analyse_runs(runs, {key: own.analysis for key, own in digests.items()})
            return analysis, {key: own.packed for key, own in digests.items()}
        runs = runs.without(unreadable)


def _read(
    store: Store, runs: StudyRuns, known: Set[str], pool: WorkerPool, on_run: Callable[[], None]
) -> Iterator[tuple[str, Digest | UnreadableRunError]]:
    probed = set(units.probed(runs)["run_id"])
    epochs = histories.epochs_of(runs)
    left = runs.used[~runs.used["run_id"].isin(known)]
    asked = [
        _Asked(run_id, epochs.get(run_id), run_id in probed, runs.metric)
        for run_id in left["run_id"]
    ]
    groups = tracking.run_groups(left["pack"], asked)
    read = partial(tracking.read_run_group, store, runs.study, TABLES, digest)
    packed, single = (
        [group for group in groups if (group.pack != "") == is_packed]
        for is_packed in (True, False)
    )
    found = chain(pool.read(store, read, packed, at_once=1), pool.read(store, read, single))
    for group in found:
        for of_whom, of_run in group:
            yield of_whom.run_id, of_run
            on_run()


class _Asked(NamedTuple):
    """A run to read; `epochs`: the number it was trained for, None if it diverged."""

    run_id: str
    epochs: int | None
    is_probed: bool
    metric: Metric


def digest(store: Store, study: str, asked: _Asked) -> Digest | UnreadableRunError:
    """The digest of a run, or the error if one of its files cannot be read."""
    try:
        return _digest(store, study, asked)
    except UnreadableRunError as error:
        return error


def _digest(store: Store, study: str, asked: _Asked) -> Digest:
    where = (store, study, asked.run_id)
    history, trajectory = read_run_table("history", *where), read_run_table("trajectory", *where)
    if asked.epochs is not None and (fault := epochs_fault(history, asked.epochs)):
        raise UnreadableRunError(study, asked.run_id, fault)
    of_units = units.read_run_units(trajectory, *where) if asked.is_probed else None
    fates = of_units.fates if of_units else pd.DataFrame()
    packed = series.pack(series.run_series(history, trajectory, fates, asked.metric))
    by_epoch, correct = histories.by_epoch(history, asked.metric), read_correct(*where)
    return Digest(RunAnalysis(by_epoch, of_units, correct), packed)
