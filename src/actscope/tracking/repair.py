"""What may be wrong with a store, found and mended: the parts of it that know MLflow's database."""

import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities import ViewType

from actscope.config import Tracking
from actscope.errors import BundleError, StoreError
from actscope.tracking.errors import store_errors
from actscope.tracking.location import is_address_of, is_servers, lies_in, path_of
from actscope.tracking.run_reader import fetch_artifact, run_folder, search
from actscope.tracking.run_record import ARTIFACTS_TAG, logged_artifacts, sha256_of_file
from actscope.tracking.store import (
    Store,
    connected,
    find_experiment,
    missing_store,
    open_store,
    studies,
)

ARTIFACTS, SET_ASIDE = "artifacts", "set-aside"
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
    if store.database is not None and not store.database.exists():
        raise missing_store(store)
    open_store(Tracking(store.uri), to_write=False)
    if store.database is None:
        return
    with store_errors(store), connected(store) as database:
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StoreError(
            f"the store {store} is damaged ({' '.join(found.split())}): put a copy of it back, or "
            f"what `{shlex.join(['sqlite3', str(store), '.recover'])}` saves of it"
        )


def studies_to_check(store: Store, study: str | None) -> dict[str, str]:
    """Id of the experiment of the study that is named, or else of each, by name.

    Raises:
        MissingStudyError: there is none of that name, not even in MLflow's trash.

    """
    if study is None:
        return studies(store)
    if study in studies(store, ViewType.DELETED_ONLY):
        return {}
    return {study: find_experiment(store, study).experiment_id}


@dataclass(frozen=True)
class Stray:
    """A folder of a run's files that lies in the wrong place; `home`: where it is to go."""

    folder: Path
    home: Path


def find_strays(store: Store, study: str | None) -> list[Stray]:
    """Folders of artifacts of runs that the store does not have, not even in MLflow's trash.

    `study`: only those that lie under its name.
    """
    assert store.folder is not None
    # Listed before the database is asked: a run is there before its folder is.
    folders = _run_folders(store.folder / ARTIFACTS)
    owners = _owners(store)
    return [
        Stray(folder, store.folder / SET_ASIDE / folder.parent.name / folder.name)
        for folder in folders
        if folder.name not in owners and study in (None, folder.parent.name)
    ]


def find_exiles(store: Store, study: str | None) -> list[Stray]:
    """Folders that were set aside although the store has their runs, as it has restored ones."""
    assert store.folder is not None
    owners = _owners(store)
    return [
        Stray(folder, store.folder / ARTIFACTS / folder.parent.name / folder.name)
        for folder in _run_folders(store.folder / SET_ASIDE)
        if folder.name in owners
        and study in (None, owners[folder.name])
        and not run_folder(store, folder.parent.name, folder.name).exists()
    ]


def bring_home(stray: Stray) -> None:
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


def _owners(store: Store) -> dict[str, str]:
    """Study of each run, those in MLflow's trash among them, by id."""
    query = "SELECT run_uuid, e.name FROM runs JOIN experiments e USING (experiment_id)"
    with connected(store) as database:
        return dict(database.execute(query))


@dataclass(frozen=True)
class Address:
    """Where the database has the artifacts of a study, or of one of its runs, in a wrong way."""

    study: str
    experiment_id: int
    run_id: str | None
    recorded: str
    here: Path  # where actscope looks for them

    @property
    def is_true(self) -> bool:
        """Whether the artifacts do lie there, and not where they are looked for."""
        path = path_of(self.recorded)
        return path is not None and path.exists() and not self.here.exists()


def wrong_addresses(store: Store, study: str | None) -> list[Address]:
    """Addresses in the database that are not of the folders in which artifacts are looked for.

    Those of experiments that hold other programs' runs only are left out, and these runs' own.
    So are those that name no folder; a server's, at which no run of actscope's can be, is wrong
    where a study is asked for by name.
    """
    assert store.folder is not None
    of_actscope = "EXISTS(SELECT 1 FROM tags WHERE run_uuid = r.run_uuid AND key = 'actscope.kind')"
    runs = "SELECT 1 FROM runs r WHERE r.experiment_id = e.experiment_id"
    query = (
        "SELECT e.name, e.experiment_id, NULL, e.artifact_location FROM experiments e "  # noqa: S608 - fixed words
        "WHERE e.lifecycle_stage = 'active' AND e.name != 'Default' "
        f"AND (NOT EXISTS({runs}) OR EXISTS({runs} AND {of_actscope})) "
        "UNION ALL SELECT e.name, e.experiment_id, run_uuid, r.artifact_uri FROM experiments e "
        f"JOIN runs r USING (experiment_id) WHERE e.lifecycle_stage = 'active' AND {of_actscope}"
    )
    with connected(store) as database:
        rows = database.execute(query).fetchall()
    found = []
    for name, experiment_id, run_id, recorded in rows:
        if study not in (None, name) or not recorded:
            continue
        if path_of(recorded) is None and not (is_servers(recorded) and study == name):
            continue
        here = _rightful(store, name, run_id, recorded)
        if not is_address_of(recorded, here):
            found.append(Address(name, experiment_id, run_id, recorded, here))
    return found


def _rightful(store: Store, study: str, run_id: str | None, recorded: str) -> Path:
    """Where the artifacts of a run, or of a study, are to be by the database.

    Any address among the store's own folders is right, of a run unless its files lie elsewhere.
    """
    assert store.folder is not None
    artifacts, path = store.folder / ARTIFACTS, path_of(recorded)
    if run_id is None:
        is_right = path is not None and path.parent.resolve() == artifacts.resolve()
        usual = artifacts / study
    else:
        folder = run_folder(store, study, run_id)
        is_right = not folder.exists() and lies_in(recorded, artifacts)
        usual = folder / "artifacts"
    return path if is_right and path is not None else usual


def readdress(store: Store, wrong: Iterable[Address]) -> None:
    """Have the database look for artifacts where they are, all of these at once or none."""
    with connected(store) as database, database:
        for address in wrong:
            uri = address.here.as_uri()
            if address.run_id is None:
                database.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
                    [uri, address.experiment_id],
                )
            else:
                database.execute(
                    "UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", [uri, address.run_id]
                )


def read_hashes(store: Store, experiment_id: str) -> dict[str, dict[str, str]]:
    """SHA-256 of the artifacts of each run that tells them, by run id and relative path."""
    if store.folder is None:
        runs = search(store, experiment_id, f"tags.`{ARTIFACTS_TAG}` LIKE '%'")
        tags = {run.info.run_id: run.data.tags[ARTIFACTS_TAG] for run in runs}
    else:
        query = (
            "SELECT run_uuid, value FROM tags JOIN runs USING (run_uuid) "
            "WHERE experiment_id = ? AND key = ?"
        )
        with connected(store) as database:
            tags = dict(database.execute(query, [experiment_id, ARTIFACTS_TAG]))
    hashes = {}
    for run_id, tag in tags.items():
        try:
            hashes[run_id] = logged_artifacts({ARTIFACTS_TAG: tag}) or {}
        except BundleError:  # somebody has edited it: it tells nothing
            continue
    return hashes


@contextmanager
def artifact_folder(store: Store, study: str, run_id: str) -> Iterator[Path]:
    """A run's artifacts on this machine, as long as the context lasts if they are a server's."""
    if store.folder is not None:
        yield fetch_artifact(store, study, run_id, ".")
        return
    with TemporaryDirectory(prefix="actscope-") as scratch:
        with store_errors(store):
            folder = Path(store.client.download_artifacts(run_id, "", scratch))
        yield folder


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
