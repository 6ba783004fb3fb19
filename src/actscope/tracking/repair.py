"""Find and fix faults of a store's database, artifacts and addresses."""

import re
import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from actscope.config import Tracking
from actscope.errors import BundleError, StoreError
from actscope.tracking import sqlite
from actscope.tracking.artifact_addresses import is_address_of, is_server_address, is_under, path_of
from actscope.tracking.errors import store_errors
from actscope.tracking.local_store import LocalStore
from actscope.tracking.locate import open_store
from actscope.tracking.new_database import ARTIFACTS
from actscope.tracking.run_record import ARTIFACTS_TAG, logged_artifacts, sha256_of_file
from actscope.tracking.store import Store

SET_ASIDE = "set-aside"
ARTIFACT_NAMES = (  # of every finished run of a point; its picture may be missing
    "config.yaml",
    "history.parquet",
    "trajectory.parquet",
    "probe.parquet",
    "model.safetensors",
)
# MLflow's own folders next to the runs, where somebody logs models or traces.
NOT_A_RUN = re.compile(r"models|traces|\..*")


def check_database(store: Store) -> None:
    """Raise StoreError unless the store exists, is undamaged and has MLflow's current schema."""
    store.check_exists()
    open_store(Tracking(store.uri), to_write=False)
    if not isinstance(store, LocalStore):
        return
    with store_errors(store.location):
        fault = sqlite.find_corruption(store.database)
    if fault is not None:
        raise StoreError(
            f"the store {store} is damaged ({fault}). Restore a copy of it, or what "
            f"`{shlex.join(['sqlite3', str(store), '.recover'])}` can save."
        )


def studies_to_check(store: Store, study: str | None) -> dict[str, str]:
    """Experiment ids by study: of the named study, or of all.

    Raises:
        MissingStudyError: there is no study of that name, not even in MLflow's trash.

    """
    if study is None:
        return store.studies()
    if study in store.studies(is_deleted=True):
        return {}
    return {study: store.find_experiment(study).experiment_id}


@dataclass(frozen=True)
class MisplacedFolder:
    """A folder of a run's files in the wrong place. `target`: the right place."""

    folder: Path
    target: Path


def find_orphaned_folders(store: LocalStore, study: str | None) -> list[MisplacedFolder]:
    """Folders of artifacts without a run, not even in MLflow's trash.

    `study`: only folders under its name.
    """
    # Listed before the database is read: a run is made before its folder.
    folders = _run_folders(store.folder / ARTIFACTS)
    owners = sqlite.studies_of_runs(store.database)
    return [
        MisplacedFolder(folder, store.folder / SET_ASIDE / folder.parent.name / folder.name)
        for folder in folders
        if folder.name not in owners and study in (None, folder.parent.name)
    ]


def find_restored_folders(store: LocalStore, study: str | None) -> list[MisplacedFolder]:
    """Folders that were set aside and whose runs the store has again."""
    owners = sqlite.studies_of_runs(store.database)
    return [
        MisplacedFolder(folder, store.folder / ARTIFACTS / folder.parent.name / folder.name)
        for folder in _run_folders(store.folder / SET_ASIDE)
        if folder.name in owners
        and study in (None, owners[folder.name])
        and not store.run_folder(folder.parent.name, folder.name).exists()
    ]


def move_to_target(misplaced: MisplacedFolder) -> None:
    """Move a folder to its target. If that name is taken, a number is added."""
    target, number = misplaced.target, 1
    while target.exists():
        number += 1
        target = misplaced.target.with_name(f"{misplaced.target.name}.{number}")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(misplaced.folder, target)


def _run_folders(folder: Path) -> list[Path]:
    return [run for study in _folders(folder) for run in _folders(study)]


def _folders(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not NOT_A_RUN.fullmatch(p.name))


@dataclass(frozen=True)
class Address:
    """A wrong address of artifacts in the database: a study's or, with `run_id`, a run's."""

    study: str
    experiment_id: int
    run_id: str | None
    recorded: str
    here: Path  # where actscope reads them

    @property
    def has_artifacts(self) -> bool:
        """Whether the artifacts are at the recorded address, and not where actscope reads them."""
        path = path_of(self.recorded)
        return path is not None and path.exists() and not self.here.exists()


def find_wrong_addresses(store: LocalStore, study: str | None) -> list[Address]:
    """Addresses in the database that differ from the folders where actscope reads artifacts.

    Addresses of other programs' runs are left out, and addresses that name no folder. A server's
    address counts as wrong where its study was named.
    """
    found = []
    for name, experiment_id, run_id, recorded in sqlite.artifact_addresses(store.database):
        if study not in (None, name) or not recorded:
            continue
        if path_of(recorded) is None and not (is_server_address(recorded) and study == name):
            continue
        here = _right_folder(store, name, run_id, recorded)
        if not is_address_of(recorded, here):
            found.append(Address(name, experiment_id, run_id, recorded, here))
    return found


def _right_folder(store: LocalStore, study: str, run_id: str | None, recorded: str) -> Path:
    """The folder that the database should name for a study's or a run's artifacts.

    Any address in the store's own folders is right, unless the run's files are elsewhere.
    """
    artifacts, path = store.folder / ARTIFACTS, path_of(recorded)
    if run_id is None:
        is_right = path is not None and path.parent.resolve() == artifacts.resolve()
        usual = artifacts / study
    else:
        folder = store.run_folder(study, run_id)
        is_right = not folder.exists() and is_under(recorded, artifacts)
        usual = folder / "artifacts"
    return path if is_right and path is not None else usual


def set_addresses(store: LocalStore, wrong: Iterable[Address]) -> None:
    """Write the right addresses into the database, all or none."""
    sqlite.set_artifact_addresses(
        store.database,
        [(address.experiment_id, address.run_id, address.here.as_uri()) for address in wrong],
    )


def read_hashes(store: Store, experiment_id: str) -> dict[str, dict[str, str]]:
    """SHA-256 of logged artifacts, by run id and relative path, of runs that have the tag."""
    hashes = {}
    for run_id, tag in store.tag_values(experiment_id, ARTIFACTS_TAG).items():
        try:
            hashes[run_id] = logged_artifacts({ARTIFACTS_TAG: tag}) or {}
        except BundleError:  # somebody has edited the tag
            continue
    return hashes


def find_damage(folder: Path, hashes: Mapping[str, str]) -> str:
    """The faults of a finished run's artifacts, in words; '' where there is none."""
    names = dict.fromkeys([*ARTIFACT_NAMES, *hashes])
    missing = [name for name in names if not (folder / name).is_file()]
    changed = [
        name
        for name, sha256 in hashes.items()
        if name not in missing and sha256_of_file(folder / name) != sha256
    ]
    faults = (
        f"missing: {', '.join(missing)}" if missing else "",
        f"not as logged (SHA-256): {', '.join(changed)}" if changed else "",
    )
    return "; ".join(part for part in faults if part)


def mark_failed(store: Store, run_id: str, reason: str) -> None:
    """Close a finished run as FAILED: no report counts it, and the next sweep trains its point."""
    ended = store.client.get_run(run_id).info.end_time
    store.client.set_tag(run_id, "actscope.reason", reason[:500])
    store.client.set_terminated(run_id, "FAILED", ended)
