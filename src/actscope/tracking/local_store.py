"""A store in an SQLite database on this machine, with artifacts next to it.

Artifacts are read where the store is now: the addresses in its database are absolute, and a project
may have moved since they were written.
"""

import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

from actscope.command_line import suggestions
from actscope.errors import MissingStudyError, StoreError
from actscope.runtime import startup
from actscope.tracking import sqlite
from actscope.tracking.artifact_addresses import check_address, path_of
from actscope.tracking.errors import REPLACE_IT, is_gone, read_only, store_errors
from actscope.tracking.location import LocalLocation
from actscope.tracking.new_database import (
    ARTIFACTS,
    NEW,
    SECONDS_FOR_A_LOCK,
    create_if_missing,
    only_one,
)
from actscope.tracking.rows import Experiment, RunRow, RunRows
from actscope.tracking.schema import (
    TESTED_SCHEMAS,
    installed_schema,
    missing_tables,
)
from actscope.tracking.sqlite_rows import SqliteRows
from actscope.tracking.store import NO_TAGS, READERS, Content, Key, Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

LOCAL_UI = "http://127.0.0.1:5000"  # of `make ui`

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalStore(Store):
    """A store in an SQLite database on this machine."""

    location: LocalLocation
    runs_at_once: ClassVar[int] = 1000

    @property
    def database(self) -> Path:
        return self.location.database

    @property
    def folder(self) -> Path:
        return self.location.folder

    @cached_property
    def schema(self) -> str | None:
        """The revision of MLflow's schema that the database has."""
        _, version = sqlite.read_schema(self.database, sqlite.SECONDS_FOR_A_QUERY)
        return version

    @property
    def public_uri(self) -> str:
        return self.uri

    @property
    def ui(self) -> str:
        return LOCAL_UI

    @property
    def rows(self) -> RunRows:
        if self.schema in TESTED_SCHEMAS:
            return SqliteRows(self.database)
        from actscope.tracking.client_rows import ClientRows  # it needs MLflow

        return ClientRows(self)

    def connect(self) -> "MlflowClient":
        if not self.database.exists():  # MLflow would make an empty one in its place
            raise is_gone(self.location)
        with startup.without_gc():  # else MLflow imports it where Ctrl-C may cut it short
            import_module("mlflow.store.tracking.sqlalchemy_store")
        return super().connect()

    def check_exists(self) -> None:
        if not self.database.exists():
            sweep = suggestions.command("sweep", store=self)
            raise MissingStudyError(f"there is no store at {self} yet: run `{sweep}` to make one.")
        self._check_database()

    def prepare(self, *, to_write: bool) -> None:
        create_if_missing(self.database)
        self._check_database()
        if to_write:
            self.check_writable()

    def check_writable(self) -> None:
        """Raise StoreError unless this user may write to the database and to the artifacts."""
        for place in (self.folder, self.database, self.folder / ARTIFACTS):
            if place.exists() and not os.access(place, os.W_OK):
                raise read_only(self.location, place)

    def ensure_experiment(self, study: str, tags: Mapping[str, str] = NO_TAGS) -> str:
        with store_errors(self.location), only_one(self.folder):
            found = self._experiment(study)
            if found is None:
                artifacts = self.folder / ARTIFACTS / study
                return self.rows.create_experiment(study, artifacts.as_uri(), tags)
            doctor = suggestions.command("doctor", f"study={study}", store=self)
            check_address(study, found.artifact_location, self.folder, doctor)
            self._set_tags(found, tags)
            return str(found.experiment_id)

    def run_folder(self, study: str, run_id: str) -> Path:
        """The folder of a run's files.

        Run ids are unique, so the run is searched in other studies' folders too: a renamed study
        keeps its folder, and MLflow's UI names the folder of a new experiment by a number.
        """
        artifacts = self.folder / ARTIFACTS
        usual = artifacts / study / run_id
        return usual if usual.exists() else next(artifacts.glob(f"*/{run_id}"), usual)

    def artifact_path(self, study: str, run_id: str, name: str = ".") -> Path:
        return self.run_folder(study, run_id) / "artifacts" / name

    @contextmanager
    def artifact(self, study: str, run_id: str, name: str) -> Iterator[Path]:
        yield self.artifact_path(study, run_id, name)

    def artifact_folder(
        self,
        study: str,
        run_id: str,
        scratch: Path,  # noqa: ARG002 - nothing is downloaded
        without: Collection[str] = (),  # noqa: ARG002
    ) -> Path:
        return self.artifact_path(study, run_id)

    def put_files(
        self, study: str, run_id: str, files: Mapping[str, bytes], folder: str = ""
    ) -> None:
        with store_errors(self.location):
            self.check_writable()
            run_folder = self.run_folder(study, run_id)
            # Moved at the end, so that a full disk leaves no half of them.
            with TemporaryDirectory(prefix=NEW, dir=run_folder) as scratch:
                for name, content in files.items():
                    (Path(scratch) / name).write_bytes(content)
                target = self.artifact_path(study, run_id, folder)
                target.mkdir(parents=True, exist_ok=True)
                for name in files:
                    (Path(scratch) / name).replace(target / name)

    def log_artifacts(self, address: str, folder: Path) -> None:
        path = path_of(address)
        assert path is not None  # ensure_experiment has checked the study's
        with store_errors(self.location):
            _copy_files(folder, path)

    def make_place(self, address: str) -> None:
        path = path_of(address)
        assert path is not None  # ensure_experiment has checked the study's
        with store_errors(self.location):
            self.check_writable()
            path.mkdir(parents=True)

    def delete_artifacts(self, study: str, run_id: str) -> None:
        shutil.rmtree(self.artifact_path(study, run_id), ignore_errors=True)

    def point_rows(self, experiment_id: str) -> Iterable[RunRow]:
        return sqlite.point_rows(self.database, experiment_id)

    def summary_rows(
        self,
        experiment_id: str,
        tags: Mapping[str, str],
        metrics: Sequence[str],
        *,
        is_unfinished: bool,
        is_deleted: bool,
    ) -> Iterable[RunRow]:
        return sqlite.summary_rows(
            self.database,
            experiment_id,
            tags,
            metrics,
            is_unfinished=is_unfinished,
            is_deleted=is_deleted,
        )

    def experiments(self, *, is_deleted: bool = False) -> Iterable[Experiment]:
        with store_errors(self.location):
            found = sqlite.experiments(self.database)
        return [each for each in found if each.is_active != is_deleted]

    def experiment_named(self, study: str) -> Experiment | None:
        with store_errors(self.location):
            found = sqlite.experiments(self.database)
        return next((each for each in found if each.name == study), None)

    def find_experiment_of(self, run_id: str) -> str | None:
        with store_errors(self.location):
            return sqlite.experiment_of(self.database, run_id)

    def metric_rows(self, run: "Run") -> Iterable[tuple[str, float, int, int]]:
        return sqlite.metric_rows(self.database, run.info.run_id)

    def tag_values(self, experiment_id: str, key: str) -> dict[str, str]:
        return sqlite.tag_values(self.database, experiment_id, key)

    def read_in_order(
        self,
        read: Callable[[Key], Content],
        keys: Iterable[Key],
        readers: int = READERS,  # noqa: ARG002 - files of this machine are read one by one
    ) -> Iterator[Content]:
        return map(read, keys)

    def _check_database(self) -> None:
        """Raise StoreError unless the file is what MLflow of this version makes.

        MLflow itself would add missing tables, and so write to a store that needs repair.
        """
        with store_errors(self.location):
            if self.database.is_dir():
                raise self._cannot_open("it is a folder, not a file")
            if self.database.stat().st_size == 0:
                raise self._cannot_open("the file is empty")
            tables, version = self._read_schema()
        newest = installed_schema()
        missing = missing_tables(newest, tables)
        if version is None or (version == newest and missing):
            lacks = f"{', '.join(missing[:3])}{', ...' if missing[3:] else ''}"
            raise self._cannot_open(
                "the database is incomplete or not MLflow's "
                f"(missing tables: {lacks or 'those of the version'})"
            )
        if version != newest:
            upgrade = suggestions.python("-m", "mlflow", "db", "upgrade", self.uri)
            raise StoreError(
                f"the store {self} cannot be opened: another version of MLflow made it (schema "
                f"{version}, here {newest}). Make a copy, then run `{upgrade}`. Or {REPLACE_IT}"
            )

    def _cannot_open(self, reason: str) -> StoreError:
        return StoreError(f"the store {self} cannot be opened: {reason}. To go on, {REPLACE_IT}")

    def _read_schema(self) -> tuple[set[str], str | None]:
        """Names of the tables, and the version of MLflow's schema; waits for a lock to go."""
        try:
            return sqlite.read_schema(self.database, 1.0)
        except sqlite.DatabaseLocked:
            log.warning("the store %s is locked by another process: waiting for the lock", self)
        return sqlite.read_schema(self.database, SECONDS_FOR_A_LOCK)


def _copy_files(folder: Path, to: Path) -> None:
    """Copy files and folders, but not their permissions: temporary folders are private."""
    to.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            _copy_files(path, to / path.name)
        else:
            shutil.copyfile(path, to / path.name)
