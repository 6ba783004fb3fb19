"""Look a store over and mend it: `python -m actscope.doctor`, `make doctor`."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from functools import partial
from itertools import groupby

from pydantic.dataclasses import dataclass
from rich.console import Console
from rich.prompt import Confirm
from rich.text import Text

from actscope import checkpoint, suggestions, tracking
from actscope.checkpoint import Checkpoint
from actscope.command import run_command
from actscope.config import CLOSED, Bool, Name, Tracking
from actscope.progress import LateProgress
from actscope.tracking import Address, Attempt, Store, Stray
from actscope.workers import checkpoint_folder

HELP = """\
Looks a store over: its database, runs that nobody works on any more, artifacts that are damaged,
missing, without a run or at another address than the database has, and what waits beside it.
Tells each finding in a line and, after asking, mends what can be mended; nothing is deleted but
checkpoints of no use. The exit code is 0 when all is well or was mended.

  --yes                mend without asking; where nobody can be asked, nothing is mended otherwise
  study=NAME           look at this study only (all), and at what waits to be delivered
  tracking.uri=URI     the store (mlruns/mlflow.db of the project, or MLFLOW_TRACKING_URI)
"""


@dataclass(frozen=True, config=CLOSED)
class Settings:
    tracking: Tracking
    study: Name | None = None
    yes: Bool = False


@plain_dataclass(frozen=True)
class Patient:
    """The store that is looked over, and of what study; `studies`: ids of their experiments."""

    store: Store
    study: str | None
    studies: Mapping[str, str]


@plain_dataclass(frozen=True)
class Complaint:
    """Findings of one kind and what would mend them; `notes` tell what is no harm."""

    findings: Sequence[str]
    remedy: str = ""
    mend: Callable[[], object] | None = None
    notes: Sequence[str] = ()


def main(words: Sequence[str] | None = None) -> int:
    return run_command("doctor", HELP, Settings, look_over, words, flags=["yes"])


def look_over(settings: Settings) -> int:
    """Tell what is wrong with a store and mend it; the exit code."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    store = tracking.locate_store(settings.tracking)
    with tracking.store_errors(store):
        tracking.check_database(store)
        console.print(f"store   {store}: opens, and is whole")
        studies = tracking.studies_to_check(store, settings.study)
        patient = Patient(store, settings.study, studies)
        found = left = 0
        for check in CHECKS:
            for complaint in check(patient):
                found += len(complaint.findings)
                if not _see_to(complaint, console, settings):
                    left += len(complaint.findings)
    if left:
        console.print(f"left    {left} of {found} findings")
    else:
        console.print("well    " + ("all is mended" if found else "nothing is wrong"))
    return 1 if left else 0


def _see_to(complaint: Complaint, console: Console, settings: Settings) -> bool:
    """Tell a complaint and, where that is wanted, mend it; whether nothing is left of it."""
    for finding in complaint.findings:
        console.print(f"found   {finding}")
    for note in complaint.notes:
        console.print(f"note    {note}")
    if not complaint.findings:
        return True
    if complaint.mend is None:
        return False
    if not (settings.yes or _is_wanted(complaint.remedy, console)):
        return False
    complaint.mend()
    console.print(f"mended  {len(complaint.findings)}: {complaint.remedy}")
    return True


def _is_wanted(remedy: str, console: Console) -> bool:
    if not sys.stdin.isatty():
        console.print(f"        --yes would mend it: {remedy}")
        return False
    try:
        question = Text(f"        mend it: {remedy}?")
        return Confirm.ask(question, console=console, default=False)
    except EOFError:
        return False


def check_open_runs(patient: Patient) -> Iterator[Complaint]:
    """Runs that their process left open when it died."""
    for study, experiment_id in patient.studies.items():
        attempts = tracking.read_attempts(patient.store, experiment_id)
        yield Complaint(
            [
                f"{_run(study, attempt)} is open, but its process is gone"
                for attempt in tracking.find_abandoned(attempts)
            ],
            "closed as KILLED, so that the next sweep trains the point",
            partial(tracking.close_abandoned, patient.store, experiment_id),
        )


def check_folders(patient: Patient) -> Iterator[Complaint]:
    """Folders of artifacts that belong to no run, or to one of another study."""
    if patient.store.folder is None:
        return
    strays = tracking.find_strays(patient.store, patient.study)
    misplaced = [stray for stray in strays if stray.owner is not None]
    yield Complaint(
        [f"{stray.folder}: its run is of study {stray.owner}" for stray in misplaced],
        "moved to that study's folder",
        partial(_bring_home, misplaced),
    )
    without_run = [stray for stray in strays if stray.owner is None]
    yield Complaint(
        [f"{stray.folder}: has no run, or a deleted one" for stray in without_run],
        f"moved into {patient.store.folder / 'set-aside'}",
        partial(_bring_home, without_run),
    )


def _bring_home(strays: Sequence[Stray]) -> None:
    for stray in strays:
        tracking.bring_home(stray)


def check_addresses(patient: Patient) -> Iterator[Complaint]:
    """Addresses of artifacts from before the project was moved."""
    if patient.store.folder is None:
        return
    wrong = tracking.wrong_addresses(patient.store, patient.study)
    outdated = [address for address in wrong if not address.is_true]
    yield Complaint(
        [
            f"{study}: the database has {_addresses(own)}, but they belong in {own[0].here}"
            for study, own in _by_study(outdated)
        ],
        "set to where they belong",
        partial(tracking.readdress, patient.store, outdated),
    )
    yield Complaint(
        [
            f"{study}: {_addresses(own)} lie there, but are looked for in {own[0].here}: move them"
            for study, own in _by_study([address for address in wrong if address.is_true])
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
    elsewhere = set()
    if store.folder is not None:
        wrong = tracking.wrong_addresses(store, patient.study)
        elsewhere = {address.run_id for address in wrong if address.is_true}
    finished = [
        (study, attempt)
        for study, experiment_id in patient.studies.items()
        for attempt in tracking.read_attempts(store, experiment_id)
        if attempt.is_finished
        and attempt.tags.get("kind") == "point"
        and attempt.run_id not in elsewhere
    ]
    hashes: dict[str, dict[str, str]] = {}
    for experiment_id in patient.studies.values():
        hashes |= tracking.read_hashes(store, experiment_id)
    damage: dict[str, str] = {}
    with LateProgress("checking artifacts", len(finished)) as progress:
        for study, attempt in finished:
            with tracking.artifact_folder(store, study, attempt.run_id) as folder:
                told = tracking.find_damage(folder, hashes.get(attempt.run_id, {}))
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
        "marked as FAILED, so that no report counts it and the next sweep trains the point",
        partial(_mark_failed, store, damage),
        [f"{unhashed} runs do not tell the SHA-256 of their artifacts: only their presence is sure"]
        if unhashed
        else [],
    )


def _mark_failed(store: Store, damage: Mapping[str, str]) -> None:
    for run_id, told in damage.items():
        tracking.mark_failed(store, run_id, f"damaged artifacts: {told}")


def check_checkpoints(patient: Patient) -> Iterator[Complaint]:
    """Checkpoints that no training will go on from."""
    for study, experiment_id in patient.studies.items():
        attempts = tracking.read_attempts(patient.store, experiment_id)
        if _is_at_work(attempts):
            continue  # what it saves is its own affair
        finished = {attempt.signature.whole for attempt in attempts if attempt.is_finished}
        folder = checkpoint_folder(patient.store, study)
        useless = [
            Checkpoint(folder, signatures, seconds=0)
            for signatures in checkpoint.waiting(folder)
            if finished >= set(signatures)
        ]
        yield Complaint(
            [f"{study}: all points of checkpoint {saved.path} are finished" for saved in useless],
            "deleted",
            partial(_discard, useless),
        )


def _is_at_work(attempts: Sequence[Attempt]) -> bool:
    abandoned = {attempt.run_id for attempt in tracking.find_abandoned(attempts)}
    return any(attempt.is_open and attempt.run_id not in abandoned for attempt in attempts)


def _discard(checkpoints: Sequence[Checkpoint]) -> None:
    for saved in checkpoints:
        saved.discard()


def check_spool(patient: Patient) -> Iterator[Complaint]:
    """Runs that wait to be delivered."""
    folder = tracking.spool_folder(patient.store)
    contents = tracking.look_into(patient.store, folder)
    if contents.waiting:
        sync = suggestions.command("sync", store=patient.store)
        yield Complaint([f"{len(contents.waiting)} runs wait in {folder}: `{sync}` delivers"])
    yield Complaint([f"{error}" for error in contents.damaged])


def _run(study: str, attempt: Attempt) -> str:
    return f"{study}: {attempt.name}, run {attempt.run_id},"


# Each mends what would mislead those after it.
CHECKS: Sequence[Callable[[Patient], Iterator[Complaint]]] = (
    check_open_runs,
    check_folders,
    check_addresses,
    check_artifacts,
    check_checkpoints,
    check_spool,
)


if __name__ == "__main__":
    sys.exit(main())
