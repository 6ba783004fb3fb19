"""What may be wrong with a store, found and mended: the parts of it that know MLflow's database."""

import re
import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import ViewType

from actscope.config import Tracking
from actscope.errors import BundleError, StoreError
from actscope.tracking import sqlite
from actscope.tracking.artifact_addresses import is_address_of, is_servers, lies_in, path_of
from actscope.tracking.errors import store_errors
from actscope.tracking.local_store import ARTIFACTS, LocalStore
from actscope.tracking.locate import open_store
from actscope.tracking.run_record import ARTIFACTS_TAG, logged_artifacts, sha256_of_file
from actscope.tracking.store import Store

SET_ASIDE = "set-aside"
ARTIFACT_NAMES = (  # that every finished run of a point has; one may be without its picture
    "config.yaml",
    "history.parquet",
    "trajectory.parquet",
    "probe.parquet",
    "model.safetensors",
)
# MLflow's own beside the runs, of an experiment that somebody logs models or traces into.
NO_RUN = re.compile(r"models|traces|\..*")


def check_database(store: Store) -> None:
    """Raise StoreError unless the store is there, whole and of the schema that MLflow wants."""
    store.check_exists()
    open_store(Tracking(store.uri), to_write=False)
    if not isinstance(store, LocalStore):
        return
    with store_errors(store.location):
        fault = sqlite.find_corruption(store.database)
    if fault is not None:
        raise StoreError(
            f"the store {store} is damaged ({fault}): put a copy of it back, or "
            f"what `{shlex.join(['sqlite3', str(store), '.recover'])}` saves of it"
        )


def studies_to_check(store: Store, study: str | None) -> dict[str, str]:
    """Id of the experiment of the study that is named, or else of each, by name.

    Raises:
        MissingStudyError: there is none of that name, not even in MLflow's trash.

    """
    if study is None:
        return store.studies()
    if study in store.studies(ViewType.DELETED_ONLY):
        return {}
    return {study: store.find_experiment(study).experiment_id}


@dataclass(frozen=True)
class MisplacedFolder:
    """A folder of a run's files that lies in the wrong place; `home`: where it is to go."""

    folder: Path
    home: Path


def find_orphaned_folders(store: LocalStore, study: str | None) -> list[MisplacedFolder]:
    """Folders of artifacts of runs that the store does not have, not even in MLflow's trash.

    `study`: only those that lie under its name.
    """
    # Listed before the database is asked: a run is there before its folder is.
    folders = _run_folders(store.folder / ARTIFACTS)
    owners = sqlite.studies_of_runs(store.database)
    return [
        MisplacedFolder(folder, store.folder / SET_ASIDE / folder.parent.name / folder.name)
        for folder in folders
        if folder.name not in owners and study in (None, folder.parent.name)
    ]


def find_restored_folders(store: LocalStore, study: str | None) -> list[MisplacedFolder]:
    """Folders that were set aside although the store has their runs, as it has restored ones."""
    owners = sqlite.studies_of_runs(store.database)
    return [
        MisplacedFolder(folder, store.folder / ARTIFACTS / folder.parent.name / folder.name)
        for folder in _run_folders(store.folder / SET_ASIDE)
        if folder.name in owners
        and study in (None, owners[folder.name])
        and not store.run_folder(folder.parent.name, folder.name).exists()
    ]


def move_back(stray: MisplacedFolder) -> None:
    """Move a stray folder where it is to go, beside what may be there by that name."""
    home, number = stray.home, 1
    while home.exists():
        number += 1
        home = stray.home.with_name(f"{stray.home.name}.{number}")
    home.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(stray.folder, home)


def _run_folders(folder: Path) -> list[Path]:
    return [run for study in _folders(folder) for run in _folders(study)]


def _folders(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not NO_RUN.fullmatch(p.name))


@dataclass(frozen=True)
class Address:
    """Where the database has the artifacts of a study, or of one of its runs, in a wrong way."""

    study: str
    experiment_id: int
    run_id: str | None
    recorded: str
    here: Path  # where actscope looks for them

    @property
    def has_artifacts(self) -> bool:
        """Whether the artifacts do lie there, and not where they are looked for."""
        path = path_of(self.recorded)
        return path is not None and path.exists() and not self.here.exists()


def find_wrong_addresses(store: LocalStore, study: str | None) -> list[Address]:
    """Addresses in the database that are not of the folders in which artifacts are looked for.

    Those of experiments that hold other programs' runs only are left out, and these runs' own.
    So are those that name no folder; a server's, at which no run of actscope's can be, is wrong
    where a study is asked for by name.
    """
    found = []
    for name, experiment_id, run_id, recorded in sqlite.artifact_addresses(store.database):
        if study not in (None, name) or not recorded:
            continue
        if path_of(recorded) is None and not (is_servers(recorded) and study == name):
            continue
        here = _rightful(store, name, run_id, recorded)
        if not is_address_of(recorded, here):
            found.append(Address(name, experiment_id, run_id, recorded, here))
    return found


def _rightful(store: LocalStore, study: str, run_id: str | None, recorded: str) -> Path:
    """Where the artifacts of a run, or of a study, are to be by the database.

    Any address among the store's own folders is right, of a run unless its files lie elsewhere.
    """
    artifacts, path = store.folder / ARTIFACTS, path_of(recorded)
    if run_id is None:
        is_right = path is not None and path.parent.resolve() == artifacts.resolve()
        usual = artifacts / study
    else:
        folder = store.run_folder(study, run_id)
        is_right = not folder.exists() and lies_in(recorded, artifacts)
        usual = folder / "artifacts"
    return path if is_right and path is not None else usual


def set_addresses(store: LocalStore, wrong: Iterable[Address]) -> None:
    """Have the database look for artifacts where they are, all of these at once or none."""
    sqlite.set_artifact_addresses(
        store.database,
        [(address.experiment_id, address.run_id, address.here.as_uri()) for address in wrong],
    )


def read_hashes(store: Store, experiment_id: str) -> dict[str, dict[str, str]]:
    """SHA-256 of the artifacts of each run that tells them, by run id and relative path."""
    hashes = {}
    for run_id, tag in store.tag_values(experiment_id, ARTIFACTS_TAG).items():
        try:
            hashes[run_id] = logged_artifacts({ARTIFACTS_TAG: tag}) or {}
        except BundleError:  # somebody has edited it: it tells nothing
            continue
    return hashes


def find_damage(folder: Path, hashes: Mapping[str, str]) -> str:
    """What is wrong with the artifacts of a finished run, in words; nothing where all is well."""
    names = dict.fromkeys([*ARTIFACT_NAMES, *hashes])
    missing = [name for name in names if not (folder / name).is_file()]
    changed = [
        name
        for name, sha256 in hashes.items()
        if name not in missing and sha256_of_file(folder / name) != sha256
    ]
    told = (
        f"missing: {', '.join(missing)}" if missing else "",
        f"not as logged (SHA-256): {', '.join(changed)}" if changed else "",
    )
    return "; ".join(part for part in told if part)


def mark_failed(store: Store, run_id: str, reason: str) -> None:
    """Take a finished run back, so that no report counts it and the next sweep trains its point."""
    ended = store.client.get_run(run_id).info.end_time
    store.client.set_tag(run_id, "actscope.reason", reason[:500])
    store.client.set_terminated(run_id, "FAILED", ended)
