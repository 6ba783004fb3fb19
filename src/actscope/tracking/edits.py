"""What people delete and edit in MLflow's UI: found, and set right where the rest tells how."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlflow.entities import Run, ViewType

from actscope.tracking.local_store import LocalStore
from actscope.tracking.offline_queue import look_into, spool_folder
from actscope.tracking.run_index import Attempt, attempt_of, read_attempts
from actscope.tracking.store import Store
from actscope.tracking.sweeps import GRID, Cell, LostGridError, living_sweeps, read_grid

POINTS = "tags.`actscope.kind` = 'point'"


def wanted_from_trash(store: Store, study: str | None) -> dict[str, str]:
    """Id of each study that was deleted and is wanted: it was named, or runs wait for it."""
    wanted = {study, *look_into(store, spool_folder(store)).studies}
    return {
        name: experiment_id
        for name, experiment_id in store.studies(ViewType.DELETED_ONLY).items()
        if name in wanted and study in (None, name)
    }


def restore_studies(store: Store, ids: Iterable[str]) -> None:
    """Bring experiments back from MLflow's trash, with all of their runs."""
    for experiment_id in ids:
        store.client.restore_experiment(experiment_id)


def deleted_sweeps(store: Store, experiment_id: str) -> list[Attempt]:
    """Sweeps in MLflow's trash that have points outside it."""
    attempts = read_attempts(store, experiment_id)
    swept = {a.tags.get("sweep") for a in attempts if a.is_point}
    deleted = store.search(experiment_id, "tags.`actscope.kind` = 'sweep'", ViewType.DELETED_ONLY)
    return [sweep for sweep in map(attempt_of, deleted) if sweep.tags.get("sweep") in swept]


def restore_runs(store: Store, attempts: Sequence[Attempt]) -> None:
    for attempt in attempts:
        store.client.restore_run(attempt.run_id)


def wrong_kinds(store: Store, experiment_id: str) -> dict[str, str]:
    """What each run is whose tag says something else or is gone, by id: a point or a sweep."""
    if isinstance(store, LocalStore):
        attempts = read_attempts(store, experiment_id)
    else:  # read_attempts finds only runs that have a kind
        runs = store.search(experiment_id, "tags.`actscope.sweep` LIKE '%'")
        attempts = list(map(attempt_of, runs))
    return {
        attempt.run_id: kind
        for attempt in attempts
        if (kind := _kind(attempt)) != attempt.tags.get("kind", "")
    }


def _kind(attempt: Attempt) -> str:
    """What a run is by its other tags, as long as they tell."""
    if "signature" in attempt.tags:
        return "point"
    return "sweep" if "ticket" in attempt.tags else attempt.tags.get("kind", "")


def set_kinds(store: Store, kinds: Mapping[str, str]) -> None:
    for run_id, kind in kinds.items():
        store.client.set_tag(run_id, "actscope.kind", kind)


def without_outcome(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Runs of points that are done, and do not tell how they ended."""
    return [a for a in attempts if a.is_point and a.status == "FINISHED" and a.outcome is None]


def lost_grids(store: Store, study: str, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Sweeps of a study that are over and whose grid cannot be read."""
    living = {attempt.run_id for attempt in living_sweeps(attempts).values()}
    lost = []
    for attempt in attempts:
        if attempt.is_sweep and attempt.run_id not in living:
            try:
                read_grid(store, study, attempt)
            except LostGridError:
                lost.append(attempt)
    return lost


def make_grid_again(store: Store, study: str, experiment_id: str, sweep: Attempt) -> None:
    """Write a sweep's grid as its runs tell it; where it has none, as those of its study do."""
    of_sweep = f"{POINTS} and tags.`actscope.sweep` = '{sweep.tags.get('sweep')}'"
    runs = list(store.search(experiment_id, of_sweep)) or store.search(experiment_id, POINTS)
    oldest_first = sorted(runs, key=lambda run: (run.info.start_time, run.info.run_name))
    cells = {cell.signature.whole: cell for cell in map(_cell, oldest_first)}
    text = "\n".join(cell.to_json() for cell in cells.values())
    if isinstance(store, LocalStore):  # the whole folder may be lost
        store.artifact_path(study, sweep.run_id).mkdir(parents=True, exist_ok=True)
    store.put_files(study, sweep.run_id, {GRID: text.encode()})


def _cell(run: Run) -> Cell:
    settings = {key: _value(text) for key, text in run.data.params.items()}
    return Cell(run.info.run_name, settings, attempt_of(run).signature)


def _value(text: str) -> Any:
    """A setting as it was before it became the text of a parameter."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
