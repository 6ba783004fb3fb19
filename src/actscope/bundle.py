"""Carry a study from store to store in one file: `python -m actscope.bundle export study=NAME`."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from zipfile import ZipFile

from pydantic import Field
from pydantic.dataclasses import dataclass

from actscope import tracking
from actscope.archive import Manifest, Reader, Writer, open_archive
from actscope.command import run_command
from actscope.config import CLOSED, StudyName, Tracking
from actscope.errors import BundleError, ConfigError, StoreError, first_line
from actscope.progress import LateProgress
from actscope.project import git_state
from actscope.tracking import Arrival, Parcel, Shipment, Store
from actscope.tracking.exchange import OF_A_STORE, ORIGIN_TAG, PARENT_TAG
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.limits import check_limits
from actscope.tracking.parcel import (
    ARTIFACTS,
    RUN_FILE,
    RUN_ID,
    artifacts_tag,
    from_json,
    safe_path,
    to_json,
)

HELP = """\
Carry a study from store to store in one file.

examples:
  python -m actscope.bundle export study=quickstart
  python -m actscope.bundle export study=article_dying file=/tmp/dying.zip
  python -m actscope.bundle import quickstart.actscope.zip tracking.uri=sqlite:////tmp/mlflow.db

commands:
  export               pack the finished runs of a study, and the sweeps that made them
  import FILE          check all of an archive, then make runs of it; those that are here stay

settings:
  study=NAME           of an export: the study (no default)
  file=PATH            of an export: the archive (NAME.actscope.zip in the current folder)
  tracking.uri=URI     the store (mlruns/mlflow.db of the project, or MLFLOW_TRACKING_URI)

The same runs give the same archive, byte for byte. Imported runs have new ids; the tag
actscope.origin_run holds the one that each had where it was trained.
"""
PARCELS = "parcels"
KINDS = ("point", "sweep")
FOREIGN = {*OF_A_STORE, *signs_of_life()}
ENDED = {"FINISHED", "FAILED", "KILLED"}


@dataclass(frozen=True, config=CLOSED)
class ExportSettings:
    tracking: Tracking
    study: StudyName | None = None
    file: Annotated[str, Field(min_length=1, max_length=1000)] | None = None


@dataclass(frozen=True, config=CLOSED)
class ImportSettings:
    tracking: Tracking


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit code."""
    words = sys.argv[1:] if words is None else words
    match words:
        case ["export", *rest]:
            return run_command("bundle export", HELP, ExportSettings, export, rest)
        case ["import", file, *rest] if not file.startswith("-"):
            put_in = partial(import_file, Path(file))
            return run_command("bundle import FILE", HELP, ImportSettings, put_in, rest)
    asked = [word for word in words if word in ("-h", "--help")]
    return run_command("bundle", HELP, ImportSettings, partial(_refuse, words), asked)


def export(settings: ExportSettings) -> int:
    """Pack a study and print what was packed."""
    store = tracking.locate_store(settings.tracking)
    if settings.study is None:
        raise ConfigError("study=NAME: name the study to export")
    path = Path(settings.file or f"{settings.study}.actscope.zip")
    if path.is_dir():
        raise ConfigError(f"file={path}: is a folder; name a file in it")
    manifest = export_study(store, settings.study, path)
    size = path.stat().st_size / 2**20
    left_out = ", ".join(f"{count} {status}" for status, count in manifest.left_out.items())
    sys.stdout.write(
        f"{path}: {len(manifest.runs)} runs and {len(manifest.sweeps)} sweeps of study "
        f"{manifest.study}, {size:.1f} MiB{f'; left out: {left_out}' if left_out else ''}\n"
    )
    return 0


def import_file(path: Path, settings: ImportSettings) -> int:
    """Import an archive and print what came of it."""
    store = tracking.locate_store(settings.tracking)
    manifest, arrival = import_bundle(path, settings.tracking)
    there = f"; {arrival.present} were there already" if arrival.present else ""
    sys.stdout.write(
        f"{arrival.new} runs of study {manifest.study} imported into the store {store}{there}\n"
    )
    if models := sum(name.endswith("/MLmodel") for name in manifest.files):
        sys.stdout.write(
            f"{models} of them hold a model for MLflow, which is code: load it only if you trust "
            "the people who made this bundle\n"
        )
    return 0


def export_study(store: Store, study: str, path: Path) -> Manifest:
    """Write a study's finished runs into an archive, which is there as a whole or not at all.

    Raises:
        StoreError: the store cannot be read.
        BundleError: no run is finished, an artifact is damaged, or the archive cannot be written.

    """
    _check_study(study, str(path))
    shipment = tracking.find_shipment(store, study)
    unfinished = path.with_name(f".{path.name}.partial")
    try:
        with ZipFile(unfinished, "w") as archive:
            manifest = _fill(Writer(archive), store, study, shipment)
        unfinished.replace(path)
    except StoreError:  # an OSError as well
        raise
    except OSError as error:
        raise BundleError(f"{path} cannot be written: {first_line(error)}") from error
    finally:
        with suppress(OSError):  # a file that could not be made cannot be deleted
            unfinished.unlink()
    return manifest


def import_bundle(path: Path, settings: Tracking) -> tuple[Manifest, Arrival]:
    """Make runs of what an archive holds, once all of it was checked.

    Raises:
        BundleError: something is wrong with it; nothing was written.
        StoreError: the store cannot be written; no run of the archive counts then.

    """
    with open_archive(path) as archive:
        manifest = archive.manifest
        ids = (*manifest.sweeps, *manifest.runs)
        with LateProgress("checking", sum(file.size for file in manifest.files.values())) as bar:
            archive.verify(bar.advance)
        _check_parcels(archive, ids)
        store = tracking.open_store(settings)
        with LateProgress("importing", len(ids)) as bar:
            arrival = tracking.take_in(
                store,
                manifest.study,
                lambda: (_parcel(archive, run_id) for run_id in ids),
                lambda parcel, folder: _unpack(archive, parcel, folder),
                bar.advance,
            )
    return manifest, arrival


def _refuse(words: Sequence[str], _: ImportSettings) -> int:
    given = " ".join(words) or "nothing"
    raise ConfigError(f"{given}: give one of the commands `export study=NAME`, `import FILE`")


def _fill(writer: Writer, store: Store, study: str, shipment: Shipment) -> Manifest:
    sweeps = [str(run.info.run_id) for run in shipment.sweeps]
    runs = [*shipment.sweeps, *shipment.points]
    with LateProgress("exporting", len(runs)) as progress:
        for run in sorted(runs, key=lambda run: str(run.info.run_id)):
            with TemporaryDirectory(prefix="actscope-") as scratch:
                parcel, folder = tracking.pack(store, study, run, sweeps, Path(scratch))
                for name in sorted(parcel.artifacts):
                    writer.add_file(_artifact(parcel, name), folder / name)
                writer.add_text(f"{_folder(run.info.run_id)}/{RUN_FILE}", to_json(parcel))
            progress.advance()
    manifest = Manifest(
        study=study,
        version=version("actscope"),
        commit=git_state().commit,
        dirty=git_state().dirty,
        runs=tuple(str(run.info.run_id) for run in shipment.points),
        sweeps=tuple(sweeps),
        left_out=shipment.left_out,
        files=writer.files,
    )
    writer.close(manifest)
    return manifest


def _check_parcels(archive: Reader, ids: Sequence[str]) -> None:
    """Raise BundleError unless the archive holds the parcels of these runs and nothing else."""
    _check_study(archive.manifest.study, str(archive.path))
    if len(set(ids)) < len(ids):
        raise BundleError(f"{archive.path}: a run is listed twice")
    belonging, origins = set(), set(ids)
    for run_id in ids:
        parcel = _parcel(archive, run_id)
        _check_parcel(archive, run_id, parcel)
        origin = parcel.tags.get(ORIGIN_TAG, run_id)
        if origin != run_id and origin in origins:
            raise BundleError(f"{archive.path}: run {origin} is there twice")
        origins.add(origin)
        belonging |= {f"{_folder(run_id)}/{RUN_FILE}"}
        belonging |= {_artifact(parcel, name) for name in parcel.artifacts}
    if foreign := archive.manifest.files.keys() - belonging:
        raise BundleError(f"{archive.where(min(foreign))}: belongs to no run")


def _check_parcel(archive: Reader, run_id: str, parcel: Parcel) -> None:
    manifest = archive.manifest
    is_sweep = run_id in manifest.sweeps
    hashes = {_artifact(parcel, name): sha256 for name, sha256 in parcel.artifacts.items()}
    checks = {
        "is of another run": parcel.run_id == run_id,
        "is of another study": parcel.study == manifest.study,
        "is of another kind of run": parcel.tags.get("actscope.kind") == KINDS[is_sweep],
        "is of a run that has not ended": parcel.status in (ENDED if is_sweep else {"FINISHED"}),
        "stands under a run that is not there": parcel.tags.get(PARENT_TAG)
        in (None, *([] if is_sweep else manifest.sweeps)),
        "has tags that only a store gives": parcel.tags.keys().isdisjoint(FOREIGN),
        "has an origin that is no run's id": RUN_ID.fullmatch(parcel.tags.get(ORIGIN_TAG, run_id)),
        "has artifacts that are not there": all(
            name in manifest.files and manifest.files[name].sha256 == sha256
            for name, sha256 in hashes.items()
        ),
    }
    for wrong, is_right in checks.items():
        if not is_right:
            raise BundleError(f"{archive.where(_folder(run_id))}/{RUN_FILE}: {wrong}")
    artifacts_tag(parcel.artifacts)
    check_limits(parcel, f"{archive.where(_folder(run_id))}/{RUN_FILE}")


def _check_study(study: str, where: str) -> None:
    """Raise BundleError for a name that some system could not give to the study's folder."""
    try:
        safe_path(study)
    except ValueError:
        raise BundleError(f"{where}: study={study}: not every system can hold that name") from None


def _parcel(archive: Reader, run_id: str) -> Parcel:
    name = f"{_folder(run_id)}/{RUN_FILE}"
    if name not in archive.manifest.files:
        raise BundleError(f"{archive.where(name)}: is not there")
    return from_json(archive.read(name), archive.where(name))


def _unpack(archive: Reader, parcel: Parcel, folder: Path) -> None:
    for name in parcel.artifacts:
        archive.extract(_artifact(parcel, name), folder / name)


def _folder(run_id: str) -> str:
    return f"{PARCELS}/{run_id}"


def _artifact(parcel: Parcel, name: str) -> str:
    return f"{_folder(str(parcel.run_id))}/{ARTIFACTS}/{name}"


if __name__ == "__main__":
    sys.exit(main())
