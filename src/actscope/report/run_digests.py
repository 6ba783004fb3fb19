"""What a report needs of each run's files, which are read once, run by run, in any process."""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import NamedTuple, Protocol

import pandas as pd

from actscope import tracking
from actscope.analysis import frames, units
from actscope.analysis.frames import StudyRuns
from actscope.analysis.run_tables import (
    UnreadableRunError,
    accuracy_fault,
    read_run_table,
)
from actscope.analysis.units import Judged, Units
from actscope.report.explorer import series
from actscope.report.process_pool import Crew
from actscope.tracking import Store


class Digest(NamedTuple):
    """`accuracy` of frames.accuracy_by_epoch, what became of the units, and the explorer's series.

    `judged` is None where a run diverged or carries no probes.
    """

    accuracy: pd.DataFrame
    judged: Judged | None
    packed: str


def packed_series(digests: Mapping[str, Digest]) -> dict[str, str]:
    """The explorer's series of each run, by its id."""
    return {run_id: digest.packed for run_id, digest in digests.items()}


class Findings(Protocol):
    """What the runs of a study say together; made when it is first asked for."""

    @property
    def accuracy(self) -> pd.DataFrame: ...

    @property
    def units(self) -> Units: ...


@dataclass(frozen=True, eq=False)
class Gathered:
    """Findings of a study whose runs are digested, each under its id."""

    runs: StudyRuns
    digests: Mapping[str, Digest]

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        ids = frames.averaged(self.runs)["run_id"]
        return frames.gather_accuracy(self.runs, [self.digests[run_id].accuracy for run_id in ids])

    @cached_property
    def units(self) -> Units:
        found = [self.digests[run_id].judged for run_id in units.probed(self.runs)["run_id"]]
        return units.gather_units(self.runs, [judged for judged in found if judged is not None])


@dataclass(frozen=True, eq=False)
class Stored:
    """Findings of a study of which only what is asked for is read."""

    store: Store
    runs: StudyRuns

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        return frames.read_accuracy(self.store, self.runs)

    @cached_property
    def units(self) -> Units:
        return units.read_units(self.store, self.runs)


def read_digests(
    store: Store, runs: StudyRuns, crew: Crew, on_run: Callable[[], None] = lambda: None
) -> tuple[StudyRuns, dict[str, Digest]]:
    """A digest of each run that is used, by its id; `on_run` is called after each.

    Also gives the study as it is without the runs that cannot be read: of their points other runs
    may count instead.

    Raises:
        NoRunsError: no run is left.
        StoreError: the store does not answer.

    """
    digests: dict[str, Digest] = {}
    while True:
        unreadable = {}
        for run_id, found in _read(store, runs, digests.keys(), crew, on_run):
            if isinstance(found, UnreadableRunError):
                unreadable[run_id] = found.reason
            else:
                digests[run_id] = found
        if not unreadable:
            return runs, digests
        runs = runs.without(unreadable)


def _read(
    store: Store, runs: StudyRuns, known: Set[str], crew: Crew, on_run: Callable[[], None]
) -> Iterator[tuple[str, Digest | UnreadableRunError]]:
    probed = set(units.probed(runs)["run_id"])
    epochs = frames.epochs_of(runs)
    left = runs.used[~runs.used["run_id"].isin(known)]
    asked = [_Asked(run_id, epochs.get(run_id), run_id in probed) for run_id in left["run_id"]]
    groups = tracking.run_groups(left["pack"], asked)
    read = partial(tracking.read_run_group, store, runs.study, tracking.TABLES, digest)
    packed, single = (
        [group for group in groups if (group.pack != "") == is_packed]
        for is_packed in (True, False)
    )
    found = chain(crew.read(store, read, packed, at_once=1), crew.read(store, read, single))
    for group in found:
        for of_whom, of_run in group:
            yield of_whom.run_id, of_run
            on_run()


class _Asked(NamedTuple):
    """`epochs`: how many it was trained for; None: it diverged before their end."""

    run_id: str
    epochs: int | None
    is_probed: bool


def digest(store: Store, study: str, asked: _Asked) -> Digest | UnreadableRunError:
    """The digest of a run; the error, if a file of it cannot be read, which stops no other."""
    try:
        return _digest(store, study, asked)
    except UnreadableRunError as error:
        return error


def _digest(store: Store, study: str, asked: _Asked) -> Digest:
    where = (store, study, asked.run_id)
    history, trajectory = read_run_table("history", *where), read_run_table("trajectory", *where)
    if asked.epochs is not None and (fault := accuracy_fault(history, asked.epochs)):
        raise UnreadableRunError(study, asked.run_id, fault)
    judged = units.judge_units(trajectory, *where) if asked.is_probed else None
    fates = judged.fates if judged else pd.DataFrame()
    packed = series.pack(series.run_series(history, trajectory, fates))
    return Digest(frames.accuracy_by_epoch(history), judged, packed)
