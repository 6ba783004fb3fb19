"""The checks of a store: what each finds, and what fixes it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from actscope import tracking
from actscope.command_line import suggestions
from actscope.runtime.progress import LateProgress
from actscope.sweep import checkpoint
from actscope.sweep.checkpoint import checkpoint_folder
from actscope.tracking import LocalStore, RunSummary, Store, edits, offline_queue, repair
from actscope.tracking.repair import Address, MisplacedFolder
from actscope.tracking.run_reader import artifact_folder
from actscope.tracking.sweeps import find_abandoned

FAILED = "marked as FAILED, so that no report counts it and the next sweep trains the point"


@dataclass(frozen=True)
class Patient:
    """The store that is looked over, and the study, if it is one only."""

    store: Store
    study: str | None

    @property
    def studies(self) -> Mapping[str, str]:
        """Ids of their experiments, by name; without those in MLflow's trash."""
        return repair.studies_to_check(self.store, self.study)


@dataclass(frozen=True)
class Complaint:
    """Findings of one kind and their fix; `notes` name what does no harm."""

    findings: Sequence[str]
    remedy: str = ""
    mend: Callable[[], object] | None = None
    notes: Sequence[str] = ()


def check_trash(patient: Patient) -> Iterator[Complaint]:
    """Studies that were deleted although they are wanted."""
    deleted = edits.find_wanted_in_trash(patient.store, patient.study)
    yield Complaint(
        [f"{study}: was deleted in MLflow, and is wanted" for study in deleted],
        "restored from MLflow's trash, with its runs",
        partial(edits.restore_studies, patient.store, deleted.values()),
    )


def check_open_runs(patient: Patient) -> Iterator[Complaint]:
    """Runs that their process left open when it died."""
    for study, experiment_id in patient.studies.items():
        attempts = tracking.read_summaries(patient.store, experiment_id)
        yield Complaint(
            [
                f"{_run(study, attempt)} is open, but its process is gone"
                for attempt in find_abandoned(attempts)
            ],
            "closed as KILLED, so that the next sweep trains the point",
            partial(tracking.close_abandoned, patient.store, experiment_id),
        )


def check_kinds(patient: Patient) -> Iterator[Complaint]:
    """Runs whose tag actscope.kind was deleted or edited, so that nothing counts them."""
    for study, experiment_id in patient.studies.items():
        kinds = edits.find_wrong_kinds(patient.store, experiment_id)
        yield Complaint(
            [f"{study}: run {run_id} is no {kind} by its tag" for run_id, kind in kinds.items()],
            "the tag is set right",
            partial(edits.set_kinds, patient.store, kinds),
        )


def check_sweeps(patient: Patient) -> Iterator[Complaint]:
    """Sweeps that were deleted although points of theirs were not."""
    for study, experiment_id in patient.studies.items():
        deleted = edits.find_deleted_sweeps(patient.store, experiment_id)
        yield Complaint(
            [
                f"{_run(study, sweep)} was deleted in MLflow, but its points not"
                for sweep in deleted
            ],
            "restored from MLflow's trash",
            partial(edits.restore_runs, patient.store, deleted),
        )


def _runs_elsewhere(patient: Patient) -> set[str | None]:
    """Runs whose artifacts lie where the database says and not beside the store."""
    if not isinstance(patient.store, LocalStore):
        return set()
    wrong = repair.find_wrong_addresses(patient.store, patient.study)
    return {address.run_id for address in wrong if address.has_artifacts}


def check_grids(patient: Patient) -> Iterator[Complaint]:
    """Sweeps whose grid is lost, without which their study has no status."""
    store, elsewhere = patient.store, _runs_elsewhere(patient)
    for study, experiment_id in patient.studies.items():
        attempts = tracking.read_summaries(store, experiment_id)
        lost = edits.find_lost_grids(
            store, study, [attempt for attempt in attempts if attempt.run_id not in elsewhere]
        )
        yield Complaint(
            [f"{_run(study, sweep)} has lost its grid, or it is damaged" for sweep in lost],
            "made again from the runs that there are",
            partial(_make_grids_again, store, study, experiment_id, lost),
        )


def _make_grids_again(
    store: Store, study: str, experiment_id: str, sweeps: Sequence[RunSummary]
) -> None:
    for sweep in sweeps:
        edits.rebuild_grid(store, study, experiment_id, sweep)


def check_outcomes(patient: Patient) -> Iterator[Complaint]:
    """Runs whose tag actscope.outcome was deleted or edited."""
    for study, experiment_id in patient.studies.items():
        attempts = tracking.read_summaries(patient.store, experiment_id)
        odd = edits.find_without_outcome(attempts)
        yield Complaint(
            [f"{_run(study, attempt)} is finished, but {attempt.reason}" for attempt in odd],
            FAILED,
            partial(_mark_failed, patient.store, {a.run_id: a.reason for a in odd}),
        )


def check_folders(patient: Patient) -> Iterator[Complaint]:
    """Folders of artifacts that belong to no run, and those that do again."""
    if not isinstance(patient.store, LocalStore):
        return
    exiles = repair.find_restored_folders(patient.store, patient.study)
    yield Complaint(
        [f"{exile.folder}: was set aside, but the store has its run" for exile in exiles],
        "moved back to the artifacts",
        partial(_bring_home, exiles),
    )
    strays = repair.find_orphaned_folders(patient.store, patient.study)
    yield Complaint(
        [f"{stray.folder}: the store has no such run, not even a deleted one" for stray in strays],
        f"moved into {patient.store.folder / 'set-aside'}",
        partial(_bring_home, strays),
    )


def _bring_home(strays: Sequence[MisplacedFolder]) -> None:
    for stray in strays:
        repair.move_to_target(stray)


def check_addresses(patient: Patient) -> Iterator[Complaint]:
    """Addresses of artifacts from before the project was moved."""
    if not isinstance(patient.store, LocalStore):
        return
    wrong = repair.find_wrong_addresses(patient.store, patient.study)
    outdated = [address for address in wrong if not address.has_artifacts]
    yield Complaint(
        [
            f"{study}: the database has {_addresses(own)}, but they belong in {own[0].here}"
            for study, own in _by_study(outdated)
        ],
        "set to where they belong",
        partial(repair.set_addresses, patient.store, outdated),
    )
    yield Complaint(
        [
            f"{study}: {_addresses(own)} lie there, but are looked for in {own[0].here}: move them"
            for study, own in _by_study([address for address in wrong if address.has_artifacts])
        ]
    )


def _by_study(addresses: Sequence[Address]) -> Iterator[tuple[str, list[Address]]]:
    def study(address: Address) -> str:
        return address.study

    for name, own in groupby(sorted(addresses, key=study), study):
        yield name, list(own)


def _addresses(addresses: Sequence[Address]) -> str:
    """Tell of addresses by the first, an experiment's if there is one."""
    runs = sum(address.run_id is not None for address in addresses)
    what = f"the artifacts of {runs} runs" if runs else "its artifacts"
    return f"{what} at {addresses[0].recorded}"


def check_artifacts(patient: Patient) -> Iterator[Complaint]:
    """Files of finished runs that are not there, or not those that were logged."""
    store = patient.store
    elsewhere = _runs_elsewhere(patient)
    finished = [
        (study, attempt)
        for study, experiment_id in patient.studies.items()
        for attempt in tracking.read_summaries(store, experiment_id)
        if attempt.is_finished and attempt.is_point and attempt.run_id not in elsewhere
    ]
    hashes: dict[str, dict[str, str]] = {}
    for experiment_id in patient.studies.values():
        hashes |= repair.read_hashes(store, experiment_id)
    damage: dict[str, str] = {}
    with LateProgress("checking artifacts", len(finished)) as progress:
        for study, attempt in finished:
            with artifact_folder(store, study, attempt.run_id) as folder:
                told = repair.find_damage(folder, hashes.get(attempt.run_id, {}))
            if told:
                damage[attempt.run_id] = told
            progress.advance()
    unhashed = sum(attempt.run_id not in hashes for _, attempt in finished)
    yield Complaint(
        [
            f"{_run(study, attempt)} has damaged artifacts: {damage[attempt.run_id]}"
            for study, attempt in finished
            if attempt.run_id in damage
        ],
        FAILED,
        partial(
            _mark_failed,
            store,
            {run_id: f"damaged artifacts: {told}" for run_id, told in damage.items()},
        ),
        [f"{unhashed} runs do not tell the SHA-256 of their artifacts: only their presence is sure"]
        if unhashed
        else [],
    )


def _mark_failed(store: Store, reasons: Mapping[str, str]) -> None:
    for run_id, reason in reasons.items():
        repair.mark_failed(store, run_id, reason)


def check_checkpoints(patient: Patient) -> Iterator[Complaint]:
    """Checkpoints that no training will go on from."""
    for study, experiment_id in patient.studies.items():
        attempts = tracking.read_summaries(patient.store, experiment_id)
        if _is_at_work(attempts):
            continue  # what it saves is its own affair
        finished = {attempt.signature.whole for attempt in attempts if attempt.is_finished}
        saved = checkpoint.look_into(checkpoint_folder(patient.store, study))
        useless = [path for path, points in saved.stacks.items() if finished >= set(points)]
        damaged = saved.damaged.items()
        yield Complaint(
            [
                *(f"{study}: checkpoint {path} cannot be read: {why}" for path, why in damaged),
                *(f"{study}: all points of checkpoint {path} are finished" for path in useless),
            ],
            "deleted",
            partial(_delete, [*saved.damaged, *useless]),
        )


def _is_at_work(attempts: Sequence[RunSummary]) -> bool:
    abandoned = {attempt.run_id for attempt in find_abandoned(attempts)}
    return any(attempt.is_open and attempt.run_id not in abandoned for attempt in attempts)


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def check_spool(patient: Patient) -> Iterator[Complaint]:
    """Runs that wait to be delivered."""
    folder = offline_queue.queue_folder(patient.store)
    contents = offline_queue.read_queue(patient.store)
    if contents.waiting:
        sync = suggestions.command("sync", store=patient.store)
        yield Complaint([f"{len(contents.waiting)} runs wait in {folder}: `{sync}` delivers them"])
    yield Complaint([f"{error}" for error in contents.damaged])


def _run(study: str, attempt: RunSummary) -> str:
    return f"{study}: {attempt.name}, run {attempt.run_id},"


# In this order: each fixes what would mislead the later ones.
CHECKS: Sequence[Callable[[Patient], Iterator[Complaint]]] = (
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
    check_spool,
)
