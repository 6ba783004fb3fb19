"""Find what people deleted and edited in MLflow's UI, and undo it where that is possible."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actscope.tracking.grids import GRID, GridPoint, LostGridError, read_grid
from actscope.tracking.local_store import LocalStore
from actscope.tracking.offline_queue import read_queue
from actscope.tracking.rows import RunRow
from actscope.tracking.run_index import SWEEPS, RunSummary, read_summaries, summary_of
from actscope.tracking.server_store import row_of
from actscope.tracking.store import Store
from actscope.tracking.sweeps import living_sweeps


def find_wanted_in_trash(store: Store, study: str | None) -> dict[str, str]:
    """Id of each deleted study that was named, or for which runs wait in the queue."""
    wanted = {study, *read_queue(store).studies}
    return {
        name: experiment_id
        for name, experiment_id in store.studies(is_deleted=True).items()
        if name in wanted and study in (None, name)
    }


def restore_studies(store: Store, ids: Iterable[str]) -> None:
    """Restore experiments from MLflow's trash, with all of their runs."""
    for experiment_id in ids:
        store.client.restore_experiment(experiment_id)


def find_deleted_sweeps(store: Store, experiment_id: str) -> list[RunSummary]:
    """Sweeps in MLflow's trash that have points outside it."""
    runs = read_summaries(store, experiment_id)
    swept = {run.tags.get("sweep") for run in runs if run.is_point}
    deleted = read_summaries(store, experiment_id, SWEEPS, is_deleted=True)
    return [sweep for sweep in deleted if sweep.tags.get("sweep") in swept]


def restore_runs(store: Store, runs: Sequence[RunSummary]) -> None:
    for run in runs:
        store.client.restore_run(run.run_id)


def find_wrong_kinds(store: Store, experiment_id: str) -> dict[str, str]:
    """The true kind, point or sweep, of each run whose tag is wrong or missing, by run id."""
    if isinstance(store, LocalStore):
        runs = read_summaries(store, experiment_id)
    else:  # read_summaries finds only runs that have a kind
        found = store.search(experiment_id, "tags.`actscope.sweep` LIKE '%'")
        runs = [summary_of(row_of(run)) for run in found]
    return {run.run_id: kind for run in runs if (kind := _kind(run)) != run.tags.get("kind", "")}


def _kind(run: RunSummary) -> str:
    """The kind of a run by its other tags, or else by its tag."""
    if "signature" in run.tags:
        return "point"
    return "sweep" if "ticket" in run.tags else run.tags.get("kind", "")


def set_kinds(store: Store, kinds: Mapping[str, str]) -> None:
    for run_id, kind in kinds.items():
        store.client.set_tag(run_id, "actscope.kind", kind)


def find_without_outcome(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """Finished runs of points without a valid outcome."""
    return [r for r in runs if r.is_point and r.status == "FINISHED" and r.outcome is None]


def find_lost_grids(store: Store, study: str, runs: Sequence[RunSummary]) -> list[RunSummary]:
    """Sweeps of a study that have ended and whose grid cannot be read."""
    living = {run.run_id for run in living_sweeps(runs).values()}
    lost = []
    for run in runs:
        if run.is_sweep and run.run_id not in living:
            try:
                read_grid(store, study, run)
            except LostGridError:
                lost.append(run)
    return lost


def rebuild_grid(store: Store, study: str, experiment_id: str, sweep: RunSummary) -> None:
    """Write a sweep's grid again from its runs or, if it has none, from all runs of the study."""
    runs = list(store.point_rows(experiment_id))
    of_sweep = [run for run in runs if run.tags.get("actscope.sweep") == sweep.tags.get("sweep")]
    oldest_first = sorted(of_sweep or runs, key=lambda run: (run.started, run.name))
    points = {point.signature.whole: point for point in map(_grid_point, oldest_first)}
    text = "\n".join(point.to_json() for point in points.values())
    if isinstance(store, LocalStore):  # the whole folder may be lost
        store.artifact_path(study, sweep.run_id).mkdir(parents=True, exist_ok=True)
    store.put_files(study, sweep.run_id, {GRID: text.encode()})


def _grid_point(run: RunRow) -> GridPoint:
    settings = {key: _value(text) for key, text in run.params.items()}
    return GridPoint(run.name, settings, summary_of(run).signature)


def _value(text: str) -> Any:
    """The value of a setting from the text of a parameter."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
