"""What a report needs of each run's files, which are read once, run by run, in any process."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import NamedTuple, Protocol

import pandas as pd

from actscope import tracking
from actscope.report import frames, series, units
from actscope.report.crew import Crew
from actscope.report.frames import StudyRuns, read_run_file
from actscope.report.units import Judged, Units
from actscope.tracking import Store


class Digest(NamedTuple):
    """`accuracy` of frames.accuracy_by_epoch, what became of the units, and the explorer's series.

    `judged` is None where a run diverged or carries no probes.
    """

    accuracy: pd.DataFrame
    judged: Judged | None
    packed: str


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
) -> dict[str, Digest]:
    """A digest of each run that is used, by its id; `on_run` is called after each.

    Raises:
        ReportError: a file of a run cannot be read.

    """
    return dict(_read(store, runs, crew, on_run))


def _read(
    store: Store, runs: StudyRuns, crew: Crew, on_run: Callable[[], None]
) -> Iterator[tuple[str, Digest]]:
    probed = set(units.probed(runs)["run_id"])
    asked = [_Asked(run_id, run_id in probed) for run_id in runs.used["run_id"]]
    piles = tracking.piles(runs.used["pack"], asked)
    read = partial(tracking.read_pile, store, runs.study, tracking.TABLES, digest)
    packed, single = (
        [p for p in piles if (p.pack != "") == is_packed] for is_packed in (True, False)
    )
    found = chain(crew.read(store, read, packed, at_once=1), crew.read(store, read, single))
    for pile in found:
        for (run_id, _), of_run in pile:
            yield run_id, of_run
            on_run()


class _Asked(NamedTuple):
    run_id: str
    is_probed: bool


def digest(store: Store, study: str, asked: _Asked) -> Digest:
    def read(table: Callable[[Store, str, str], pd.DataFrame]) -> pd.DataFrame:
        return read_run_file(table, store, study, asked.run_id)

    history, trajectory = read(tracking.read_history), read(tracking.read_trajectory)
    judged = units.judge(trajectory, read(tracking.read_probe)) if asked.is_probed else None
    fates = judged.fates if judged else pd.DataFrame()
    packed = series.pack(series.run_series(history, trajectory, fates))
    return Digest(frames.accuracy_by_epoch(history), judged, packed)
