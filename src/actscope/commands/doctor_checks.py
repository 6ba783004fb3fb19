"""The checks of a store: the problems that each finds, and their fixes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from actscope import tracking
from actscope.command_line import suggestions
from actscope.runtime.progress import LateProgress
from actscope.sweep.saved_stacks import checkpoint_folder, scan
from actscope.tracking import LocalStore, RunSummary, Store, edits, offline_queue, repair
from actscope.tracking.artifact_folder import artifact_folder
from actscope.tracking.repair import Address
from actscope.tracking.sweeps import find_abandoned

T = TypeVar("T")
FAILED = "mark it as FAILED; reports leave it out and the next sweep trains the point again"


@dataclass(frozen=True)
class Target:
    """The store to check, and the study if only one is checked."""

    store: Store
    study: str | None

    @property
    def studies(self) -> Mapping[str, str]:
        """Experiment ids of the studies by name, without those in MLflow's trash."""
        return repair.studies_to_check(self.store, self.study)

    def attempts(self) -> Iterator[tuple[str, str, list[RunSummary]]]:
        """The name, the experiment id and the runs of each study."""
        for study, experiment_id in self.studies.items():
            yield study, experiment_id, tracking.read_summaries(self.store, experiment_id)


@dataclass(frozen=True)
class Finding:
    """Problems of one kind and the fix for all of them; `notes` are harmless.

    `remedy` says in words what `fix` does. Without a fix the user has to act.
    """

    problems: Sequence[str]
    remedy: str = ""
    fix: Callable[[], object] | None = None
    notes: Sequence[str] = ()


def check_trash(target: Target) -> Iterator[Finding]:
    """Studies that were deleted in MLflow but are still needed."""
    deleted = edits.find_wanted_in_trash(target.store, target.study)
    yield Finding(
        [f"{study}: the study was deleted in MLflow, but is needed" for study in deleted],
        "restore it from MLflow's trash, with its runs",
        partial(edits.restore_studies, target.store, deleted.values()),
    )


def check_open_runs(target: Target) -> Iterator[Finding]:
    """Open runs whose process has died."""
    for study, experiment_id, attempts in target.attempts():
        dead = find_abandoned(attempts)
        yield Finding(
            [f"{_run(study, attempt)} is open, but its process has died" for attempt in dead],
            "close it as KILLED; the next sweep trains the point",
            partial(tracking.close_abandoned, target.store, experiment_id),
        )


def check_kinds(target: Target) -> Iterator[Finding]:
    """Runs that no command counts, because their tag actscope.kind was deleted or edited."""
    for study, experiment_id in target.studies.items():
        kinds = edits.find_wrong_kinds(target.store, experiment_id)
        yield Finding(
            [f"{study}: run {run_id} lacks actscope.kind={kind}" for run_id, kind in kinds.items()],
            "correct the tag",
            partial(edits.set_kinds, target.store, kinds),
        )


def check_sweeps(target: Target) -> Iterator[Finding]:
    """Deleted sweeps with points that were not deleted."""
    for study, experiment_id in target.studies.items():
        deleted = edits.find_deleted_sweeps(target.store, experiment_id)
        yield Finding(
            [f"{_run(study, run)} was deleted in MLflow, its points were not" for run in deleted],
            "restore it from MLflow's trash",
            partial(edits.restore_runs, target.store, deleted),
        )


def _runs_elsewhere(target: Target) -> set[str | None]:
    """Runs whose artifacts are at the address in the database instead of next to the store."""
    if not isinstance(target.store, LocalStore):
        return set()
    wrong = repair.find_wrong_addresses(target.store, target.study)
    return {address.run_id for address in wrong if address.has_artifacts}


def check_grids(target: Target) -> Iterator[Finding]:
    """Sweeps whose grid is missing or damaged; the status of their study needs it."""
    store, elsewhere = target.store, _runs_elsewhere(target)
    for study, experiment_id, attempts in target.attempts():
        here = [attempt for attempt in attempts if attempt.run_id not in elsewhere]
        lost = edits.find_lost_grids(store, study, here)
        yield Finding(
            [f"{_run(study, sweep)} has a missing or damaged grid" for sweep in lost],
            "rebuild the grid from the existing runs",
            partial(_do, partial(edits.rebuild_grid, store, study, experiment_id), lost),
        )


def _do(fix: Callable[[T], object], items: Iterable[T]) -> None:
    for item in items:
        fix(item)


def check_outcomes(target: Target) -> Iterator[Finding]:
    """Runs whose tag actscope.outcome was deleted or edited."""
    for study, _, attempts in target.attempts():
        odd = edits.find_without_outcome(attempts)
        yield Finding(
            [f"{_run(study, attempt)} is finished, but {attempt.reason}" for attempt in odd],
            FAILED,
            partial(_mark_failed, target.store, {a.run_id: a.reason for a in odd}),
        )


def check_folders(target: Target) -> Iterator[Finding]:
    """Folders of artifacts without a run, and set-aside folders whose run exists again."""
    if not isinstance(target.store, LocalStore):
        return
    restored = repair.find_restored_folders(target.store, target.study)
    yield Finding(
        [f"{each.folder}: the folder was set aside, but its run exists" for each in restored],
        "move it back to the artifacts",
        partial(_do, repair.move_to_target, restored),
    )
    folders = repair.find_orphaned_folders(target.store, target.study)
    yield Finding(
        [f"{each.folder}: the store has no run for it, not even a deleted one" for each in folders],
        f"move it to {target.store.folder / 'set-aside'}",
        partial(_do, repair.move_to_target, folders),
    )


def check_addresses(target: Target) -> Iterator[Finding]:
    """Addresses of artifacts that are outdated since the project was moved."""
    if not isinstance(target.store, LocalStore):
        return
    wrong = repair.find_wrong_addresses(target.store, target.study)
    outdated = [address for address in wrong if not address.has_artifacts]
    yield Finding(
        [
            f"{study}: the database has {_addresses(own)}, but they are in {own[0].here}"
            for study, own in _by_study(outdated)
        ],
        "correct the addresses",
        partial(repair.set_addresses, target.store, outdated),
    )
    yield Finding(
        [
            f"{study}: {_addresses(own)}, but should be in {own[0].here}. Move them there."
            for study, own in _by_study([address for address in wrong if address.has_artifacts])
        ]
    )


def _by_study(addresses: Sequence[Address]) -> Iterator[tuple[str, list[Address]]]:
    study = attrgetter("study")
    for name, own in groupby(sorted(addresses, key=study), study):
        yield name, list(own)


def _addresses(addresses: Sequence[Address]) -> str:
    """Describe addresses by the first one, an experiment's if there is one."""
    runs = sum(address.run_id is not None for address in addresses)
    what = f"the artifacts of {runs} runs" if runs else "its artifacts"
    return f"{what} at {addresses[0].recorded}"


def check_artifacts(target: Target) -> Iterator[Finding]:
    """Missing or changed files of finished runs."""
    store = target.store
    elsewhere = _runs_elsewhere(target)
    finished = [
        (study, attempt)
        for study, _, attempts in target.attempts()
        for attempt in attempts
        if attempt.is_finished and attempt.is_point and attempt.run_id not in elsewhere
    ]
    hashes: dict[str, dict[str, str]] = {}
    for experiment_id in target.studies.values():
        hashes |= repair.read_hashes(store, experiment_id)
    damage: dict[str, str] = {}
    with LateProgress("checking artifacts", len(finished)) as progress:
        for study, attempt in finished:
            with artifact_folder(store, study, attempt.run_id) as folder:
                found = repair.find_damage(folder, hashes.get(attempt.run_id, {}))
            if found:
                damage[attempt.run_id] = f"damaged artifacts: {found}"
            progress.advance()
    unhashed = sum(attempt.run_id not in hashes for _, attempt in finished)
    note = f"{unhashed} runs have no SHA-256 of their artifacts. Only their presence was checked."
    yield Finding(
        [
            f"{_run(study, attempt)} has {damage[attempt.run_id]}"
            for study, attempt in finished
            if attempt.run_id in damage
        ],
        FAILED,
        partial(_mark_failed, store, damage),
        [note] if unhashed else [],
    )


def _mark_failed(store: Store, reasons: Mapping[str, str]) -> None:
    for run_id, reason in reasons.items():
        repair.mark_failed(store, run_id, reason)


def check_checkpoints(target: Target) -> Iterator[Finding]:
    """Checkpoints from which no training will continue."""
    for study, _, attempts in target.attempts():
        if _has_open_run(attempts):
            continue  # a sweep may be using its checkpoints
        finished = {attempt.signature.whole for attempt in attempts if attempt.is_finished}
        saved = scan(checkpoint_folder(target.store, study))
        useless = [path for path, points in saved.stacks.items() if finished >= set(points)]
        damaged = saved.damaged.items()
        yield Finding(
            [
                *(f"{study}: cannot read checkpoint {path}: {why}" for path, why in damaged),
                *(f"{study}: all points of checkpoint {path} are finished" for path in useless),
            ],
            "delete it",
            partial(_do, partial(Path.unlink, missing_ok=True), [*saved.damaged, *useless]),
        )


def _has_open_run(attempts: Sequence[RunSummary]) -> bool:
    abandoned = {attempt.run_id for attempt in find_abandoned(attempts)}
    return any(attempt.is_open and attempt.run_id not in abandoned for attempt in attempts)


def check_queue(target: Target) -> Iterator[Finding]:
    """Runs that are queued for delivery."""
    folder = offline_queue.queue_folder(target.store)
    contents = offline_queue.read_queue(target.store)
    if contents.waiting:
        sync = suggestions.command("sync", store=target.store)
        yield Finding(
            [f"{len(contents.waiting)} runs are queued in {folder}. `{sync}` delivers them."]
        )
    yield Finding([f"{error}" for error in contents.damaged])


def _run(study: str, attempt: RunSummary) -> str:
    return f"{study}: {attempt.name}, run {attempt.run_id},"


# The order matters: later checks rely on the fixes of earlier ones.
CHECKS: Sequence[Callable[[Target], Iterator[Finding]]] = (
    check_trash,
    check_kinds,
    check_sweeps,
    check_open_runs,
    check_folders,
    check_addresses,
    check_grids,
    check_outcomes,
    check_artifacts,
    check_checkpoints,
    check_queue,
)
