"""The histories of a study's runs: their measures during training."""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd

from actscope.analysis.frames import StudyRuns, averaged
from actscope.analysis.run_tables import (
    UnreadableRunError,
    epochs_fault,
    judged_split,
    read_each_run,
    read_run_table,
    stack_tables,
)
from actscope.metric import ACCURACY, R2, Metric
from actscope.tracking import Store

EPOCHS = "train.epochs"


def read_by_epoch(store: Store, runs: StudyRuns) -> pd.DataFrame:
    """Read the histories and return `gather_by_epoch` of them.

    Raises:
        UnreadableRunError: a file of a run cannot be read.

    """
    epochs = epochs_of(runs)
    found = []
    for run_id, history in _histories(store, runs.study, averaged(runs)):
        if run_id in epochs and (fault := epochs_fault(history, epochs[run_id])):
            raise UnreadableRunError(runs.study, run_id, fault)
        found.append(by_epoch(history, runs.metric))
    return gather_by_epoch(runs, found)


def epochs_of(runs: StudyRuns) -> dict[str, int]:
    """The number of epochs of each of `averaged(runs)`, by id; unknown ones are left out."""
    texts = runs.params.reindex(columns=[EPOCHS]).loc[averaged(runs)["run_id"], EPOCHS].dropna()
    return {str(run_id): int(text) for run_id, text in texts.items()}


def gather_by_epoch(runs: StudyRuns, found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The study's metric after each epoch, from `by_epoch` of each of `averaged(runs)`.

    Columns: `axis.point`, `outcome`, `epoch` (from 1), `value`.
    """
    return stack_tables(averaged(runs)[[*runs.axis.point, "outcome"]], found, ["epoch", "value"])


def by_epoch(history: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """A metric of one run on `judged_split`: columns `epoch` (from 1) and `value`."""
    rows = np.flatnonzero(history["split"] == judged_split(history))
    epochs = history["epoch"].to_numpy()[rows].round().astype(int)
    values = history[metric.name].to_numpy(dtype=float)[rows]
    return pd.DataFrame({"epoch": epochs, "value": values})


def late_training(history: pd.DataFrame) -> float:
    """Training accuracy or R² over the last tenth of the steps, which decides a run's outcome.

    The mean over the minibatches of that tenth, as a fraction of 1. Exact if a row ends where the
    tenth begins; else the row that lies across counts by its minibatches inside.
    """
    rows = history[history["split"] == "train"]
    ends = rows["step"].to_numpy(dtype=int)
    begin = ends[-1] - math.ceil(ends[-1] / 10)
    inside = np.diff(np.maximum(ends, begin), prepend=begin)  # minibatches
    name = ACCURACY.name if ACCURACY.name in rows else R2.name
    return float(np.average(rows[name].to_numpy(dtype=float), weights=inside))


def read_histories(store: Store, runs: StudyRuns) -> Iterator[pd.DataFrame]:
    """The history of each used run; `run_id` and `axis.point` come first.

    Raises:
        UnreadableRunError: a file of a run cannot be read.

    """
    about = {run["run_id"]: run for run in runs.used.to_dict("records")}
    for run_id, history in _histories(store, runs.study, runs.used):
        of_run = {key: about[run_id][key] for key in ["run_id", *runs.axis.point]}
        yield history.assign(**of_run)[[*of_run, *history.columns]]


def _histories(store: Store, study: str, runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    read = partial(read_run_table, "history")
    histories = read_each_run(store, study, ["history"], read, runs)
    return ((run_id, histories[run_id]) for run_id in runs["run_id"])
