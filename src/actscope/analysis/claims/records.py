"""What claims need of the files of a store: fates of units, late training, stated seeds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import pandas as pd

from actscope.analysis.frames import StudyRuns, averaged
from actscope.analysis.histories import late_training
from actscope.analysis.run_tables import (
    MissingTableError,
    read_each_run,
    read_probe_of,
    read_run_table,
)
from actscope.artifacts.unit_fates import unit_fates
from actscope.tracking import Store, stated_grid


@dataclass(frozen=True, eq=False)
class Records:
    """Functions that read files of a run, given its study and id, and of a study.

    `fates`: unit_fates.unit_fates, None if the run has no probes. `late`: histories.late_training
    of each run that did not diverge, by id. `seeds`: how many seeds were stated, in words.

    Each raises UnreadableRunError if a file of a run cannot be read, and StoreError if the store
    does not answer.
    """

    fates: Callable[[str, str], pd.DataFrame | None]
    late: Callable[[StudyRuns], Mapping[str, float]]
    seeds: Callable[[StudyRuns], str]


def stored_records(store: Store, known: Mapping[str, pd.DataFrame] | None = None) -> Records:
    """The records of a store; each file is read once. `known`: fates by run id, not read again."""
    at_hand = known or {}

    @cache
    def fates(study: str, run_id: str) -> pd.DataFrame | None:
        if run_id in at_hand:
            return at_hand[run_id]
        trajectory = read_run_table("trajectory", store, study, run_id)
        try:
            probe = read_probe_of(trajectory, store, study, run_id)
        except MissingTableError:
            return None  # a run that is older than probes
        return unit_fates(trajectory, probe)

    @cache
    def late(runs: StudyRuns) -> dict[str, float]:
        return read_each_run(store, runs.study, ["history"], read_late, averaged(runs))

    @cache
    def seeds(runs: StudyRuns) -> str:
        grid = stated_grid(store, runs.study, set(runs.used["sweep"]))
        stated = None if grid is None else {point.settings["seed"] for point in grid}
        return stated_in_words(stated, set(runs.used["seed"]))

    return Records(fates, late, seeds)


def read_late(store: Store, study: str, run_id: str) -> float:
    return late_training(read_run_table("history", store, study, run_id))


def stated_in_words(stated: set[int] | None, used: set[int]) -> str:
    """What the seeds of a study's first sweep, and those of its runs, say about stopping."""
    if stated is None:
        return "No record says how many seeds the study was to have."
    number = f"The study's first sweep stated {len(stated)} seed{'' if len(stated) == 1 else 's'}"
    if added := len(used - stated):
        return (
            f"{number}; it was enlarged to {len(used | stated)}. A verdict may depend on when this "
            f"stopped: {added} were added after results could be seen."
        )
    return f"{number}; {'all' if used == stated else len(used)} have runs."
