"""A sweep's own run: its grid, whether its process is alive, how it ended."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from actscope.artifacts.spreadsheet import to_csv
from actscope.command_line import suggestions
from actscope.config import Extras
from actscope.errors import StoreError
from actscope.metric import metric_of
from actscope.project import git_state
from actscope.tracking.errors import is_already_there, store_errors
from actscope.tracking.grids import GRID, GridPoint, read_grid
from actscope.tracking.heartbeat import is_alive, number_in, signs_of_life
from actscope.tracking.offline_queue import best_effort
from actscope.tracking.run_index import NO_TAGS, SWEEPS, RunSummary, read_summaries
from actscope.tracking.run_record import RunRecord
from actscope.tracking.store import Store
from actscope.tracking.ui import NOTE, about_sweep, study_tags

if TYPE_CHECKING:
    import pandas as pd

SECONDS_BETWEEN_POLLS = 0.2
NO_EXTRAS = Extras()
ABANDONED = "its worker was lost, or its sweep was interrupted"
SECOND = "another worker of its sweep was given the same point and finished it first"


@dataclass(frozen=True)
class Sweep:
    """One `-m` call on one study: its runs have a parent run. `ticket`: see begin_sweep."""

    id: str
    study: str
    experiment_id: str
    parent_run_id: str | None
    extras: Extras = NO_EXTRAS
    ticket: int = 0


def begin_sweep(
    store: Store,
    study: str,
    sweep_id: str,
    grid: Sequence[GridPoint],
    extras: Extras = NO_EXTRAS,
    tags: Mapping[str, str] = NO_TAGS,
) -> Sweep:
    """Open a sweep's own run, which announces the grid; a new study's experiment is made.

    `tags`: further tags of that run.

    If two sweeps have points in common, the one with the lower ticket trains them. This is
    Lamport's bakery algorithm (1974), which needs no lock that all machines share. A sweep without
    a ticket is about to get one.
    """
    metric = metric_of(grid[0].settings if grid else {})
    experiment_id = store.ensure_experiment(study, study_tags(study, metric))
    with store_errors(store.location):
        record = _record(study, sweep_id, tags)
        ((run_id, address),) = store.rows.open_runs(experiment_id, [record])
    store.make_place(address)
    return announce_grid(store, Sweep(sweep_id, study, experiment_id, run_id, extras), grid)


def announce_grid(store: Store, sweep: Sweep, grid: Sequence[GridPoint]) -> Sweep:
    """Write the grid of an open sweep in place of an earlier one; return the sweep with a ticket.

    The ticket is new: a sweep that has begun since then may train points of the new grid.
    """
    assert sweep.parent_run_id is not None
    announced = "\n".join(point.to_json() for point in grid)
    store.put_files(sweep.study, sweep.parent_run_id, {GRID: announced.encode()})
    taken = [_ticket(run) for run in read_summaries(store, sweep.experiment_id, SWEEPS)]
    ticket = 1 + max(taken, default=0)
    _set_tag(store, sweep.parent_run_id, "actscope.ticket", str(ticket))
    return replace(sweep, ticket=ticket)


def _record(study: str, sweep_id: str, further: Mapping[str, str]) -> RunRecord:
    own = {"actscope.kind": "sweep", "actscope.sweep": sweep_id}
    tags = {**own, **signs_of_life(), **origin(), **further}
    return RunRecord(
        id=uuid.uuid4().hex,
        study=study,
        name=f"sweep {sweep_id}",
        status="RUNNING",
        started=int(time.time() * 1000),
        tags=tags,
    )


def _set_tag(store: Store, run_id: str, name: str, value: str) -> None:
    with store_errors(store.location):
        store.rows.set_tags(run_id, {name: value})


def _close(store: Store, run_id: str, status: str) -> None:
    with store_errors(store.location):
        store.rows.close(run_id, status, int(time.time() * 1000))


def summarise_sweep(
    store: Store, sweep: Sweep, cells: "pd.DataFrame", best: Sequence[str] = ()
) -> None:
    """Log a sweep's results as its description and a file.

    `cells`: of summary.cell_means; `best`: of summary.best_in_words.
    """
    assert sweep.parent_run_id is not None
    run_id = sweep.parent_run_id
    with best_effort(store, f"sweep {sweep.id} has no summary in MLflow"):
        store.put_files(sweep.study, run_id, {"cells.csv": to_csv(cells).encode()})
        _set_tag(store, run_id, NOTE, about_sweep(cells, best))


def end_sweep(store: Store, sweep: Sweep, status: str) -> None:
    """Close a sweep's own run, and as KILLED the runs that lost workers or an interrupt left open.

    Each refusal of the store is logged in a line.
    """
    own: list[RunSummary] = []
    doctor = suggestions.command("doctor", store=store)
    with best_effort(store, f"runs of sweep {sweep.id} may stay open until `{doctor}` closes them"):
        of_sweep = read_summaries(store, sweep.experiment_id, {"actscope.sweep": sweep.id})
        own = [run for run in of_sweep if run.run_id != sweep.parent_run_id]
    for run in own:
        if run.is_open:
            close_abandoned_run(store, run.run_id)
    with best_effort(store, f"points of sweep {sweep.id} may have two finished runs"):
        close_duplicates(store, own)
    if sweep.parent_run_id is not None:
        with best_effort(
            store, f"the run of sweep {sweep.id} stays open until `{doctor}` closes it"
        ):
            _close(store, sweep.parent_run_id, status)


def is_open(store: Store, run_id: str | None) -> bool:
    """Whether no other process has closed a run; True where the store does not answer."""
    status = "RUNNING"
    if run_id is not None:
        with (
            best_effort(store, f"run {run_id} is assumed to be open"),
            store_errors(store.location),
        ):
            status = store.rows.status(run_id)
    return status == "RUNNING"


def close_abandoned_run(store: Store, run_id: str | None) -> None:
    """Close a run as KILLED unless it is closed already."""
    if run_id is not None and is_open(store, run_id):
        doctor = suggestions.command("doctor", store=store)
        with best_effort(store, f"run {run_id} stays open until `{doctor}` closes it"):
            close(store, run_id, ABANDONED)


def close_duplicates(store: Store, runs: Sequence[RunSummary]) -> None:
    """Close as KILLED the finished runs whose point has an earlier finished run.

    `runs`: of one sweep, oldest first. A worker that was cut off may finish a run whose point
    another worker was then given.
    """
    finished: set[str] = set()
    for run in runs:
        if run.is_finished and not run.is_sweep:
            if run.signature.whole in finished:
                close(store, run.run_id, SECOND)
            finished.add(run.signature.whole)


def close(store: Store, run_id: str, reason: str) -> None:
    """Close a run as KILLED. If two processes do so at once, one of them gives the reason."""
    try:
        _set_tag(store, run_id, "actscope.reason", reason)
    except StoreError as error:
        if not is_already_there(error):
            raise
    _close(store, run_id, "KILLED")


def close_abandoned(store: Store, experiment_id: str) -> list[RunSummary]:
    """Close as KILLED the runs whose process died without closing them; returns them."""
    abandoned = find_abandoned(read_summaries(store, experiment_id, is_unfinished=True))
    for run in abandoned:
        close(store, run.run_id, "its process died without closing it")
    return abandoned


def find_abandoned(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """The open runs of an experiment on which no process works."""
    living = living_sweeps(runs)
    return [
        run
        for run in runs
        if run.is_open
        and "kind" in run.tags  # else another program's
        and not is_alive(run.tags)
        and run.tags.get("sweep") not in living
    ]


def living_sweeps(runs: Sequence[RunSummary]) -> dict[str, RunSummary]:
    """Sweeps whose process is alive, on any machine, by id."""
    return {
        run.tags["sweep"]: run
        for run in runs
        if run.is_sweep and run.is_open and is_alive(run.tags)
    }


def claimed_elsewhere(store: Store, sweep: Sweep) -> dict[str, RunSummary]:
    """Signatures of the points that other living sweeps train, with the sweep that trains each.

    Waits for sweeps that are about to get a ticket. A sweep whose grid is lost claims nothing.
    """
    while True:
        runs = read_summaries(store, sweep.experiment_id, SWEEPS)
        others = [o for o in living_sweeps(runs).values() if o.run_id != sweep.parent_run_id]
        if all("ticket" in other.tags for other in others):
            break
        time.sleep(SECONDS_BETWEEN_POLLS)
    claimed: dict[str, RunSummary] = {}
    for other in others:
        if (_ticket(other), other.run_id) < (sweep.ticket, sweep.parent_run_id):
            with best_effort(store, f"points of {other.name} may be trained twice"):
                grid = read_grid(store, sweep.study, other)
                claimed |= {point.signature.whole: other for point in grid}
    return claimed


def origin() -> Mapping[str, str]:
    """Tags of a run: the program and its commit."""
    git = git_state()
    return {
        "mlflow.source.name": "actscope",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git.commit,
        "actscope.git_dirty": git.dirty,
    }


def _ticket(run: RunSummary) -> int:
    return number_in(run.tags.get("ticket", ""))
