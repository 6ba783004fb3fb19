"""Export a study from a store into one file, and import it into another store."""

from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from actscope.config import Tracking
from actscope.errors import BundleError, StoreError, first_line
from actscope.project import git_state
from actscope.runtime.progress import LateProgress
from actscope.tracking.bundle.archive import Manifest, Reader, Writer, open_archive
from actscope.tracking.bundle.export_runs import (
    OF_A_STORE,
    ORIGIN_TAG,
    PARENT_TAG,
    Export,
    export_run,
    find_export,
)
from actscope.tracking.bundle.import_runs import ImportSummary, import_runs
from actscope.tracking.heartbeat import signs_of_life
from actscope.tracking.limits import check_limits
from actscope.tracking.locate import open_store
from actscope.tracking.run_record import (
    ARTIFACTS,
    RUN_FILE,
    RUN_ID,
    RunRecord,
    artifacts_tag,
    from_json,
    safe_path,
    to_json,
)
from actscope.tracking.store import Store

RECORDS = "parcels"  # the folder of the runs in an archive
KINDS = ("point", "sweep")
ENDED = {"FINISHED", "FAILED", "KILLED"}


def export_study(store: Store, study: str, path: Path) -> Manifest:
    """Write a study's finished runs into an archive, complete or not at all.

    Raises:
        StoreError: the store cannot be read.
        BundleError: no run is finished, an artifact is damaged, or the archive cannot be written.

    """
    _check_study(study, str(path))
    export = find_export(store, study)
    unfinished = path.with_name(f".{path.name}.partial")
    try:
        with ZipFile(unfinished, "w") as archive:
            manifest = _fill(Writer(archive), store, study, export)
        unfinished.replace(path)
    except StoreError:  # an OSError as well
        raise
    except OSError as error:
        raise BundleError(f"{path} cannot be written: {first_line(error)}") from error
    finally:
        with suppress(OSError):  # a file that could not be made cannot be deleted
            unfinished.unlink()
    return manifest


def import_bundle(path: Path, settings: Tracking) -> tuple[Manifest, ImportSummary]:
    """Check an archive, then write its runs into a store.

    Raises:
        BundleError: the archive is damaged or unsafe; nothing was written.
        StoreError: the store cannot be written; no run of the archive counts then.

    """
    with open_archive(path) as archive:
        manifest = archive.manifest
        ids = (*manifest.sweeps, *manifest.runs)
        with LateProgress("checking", sum(file.size for file in manifest.files.values())) as bar:
            archive.verify(bar.advance)
        _check_records(archive, ids)
        store = open_store(settings)
        with LateProgress("importing", len(ids)) as bar:
            summary = import_runs(
                store,
                manifest.study,
                lambda: (_record(archive, run_id) for run_id in ids),
                lambda record, folder: _unpack(archive, record, folder),
                bar.advance,
            )
    return manifest, summary


def _fill(writer: Writer, store: Store, study: str, export: Export) -> Manifest:
    sweeps = [str(run.info.run_id) for run in export.sweeps]
    runs = [*export.sweeps, *export.points]
    with LateProgress("exporting", len(runs)) as progress:
        for run in sorted(runs, key=lambda run: str(run.info.run_id)):
            with TemporaryDirectory(prefix="actscope-") as scratch:
                record, folder = export_run(store, study, run, sweeps, Path(scratch))
                for name in sorted(record.artifacts):
                    writer.add_file(_artifact(record, name), folder / name)
                writer.add_text(f"{_folder(run.info.run_id)}/{RUN_FILE}", to_json(record))
            progress.advance()
    manifest = Manifest(
        study=study,
        version=version("actscope"),
        commit=git_state().commit,
        dirty=git_state().dirty,
        runs=tuple(str(run.info.run_id) for run in export.points),
        sweeps=tuple(sweeps),
        left_out=export.left_out,
        files=writer.files,
    )
    writer.close(manifest)
    return manifest


def _check_records(archive: Reader, ids: Sequence[str]) -> None:
    """Raise BundleError unless the archive holds exactly the records of these runs."""
    _check_study(archive.manifest.study, str(archive.path))
    if len(set(ids)) < len(ids):
        raise BundleError(f"{archive.path}: a run is listed twice")
    belonging, origins = set(), set(ids)
    for run_id in ids:
        record = _record(archive, run_id)
        _check_record(archive, run_id, record)
        origin = record.tags.get(ORIGIN_TAG, run_id)
        if origin != run_id and origin in origins:
            raise BundleError(f"{archive.path}: run {origin} occurs twice")
        origins.add(origin)
        belonging |= {f"{_folder(run_id)}/{RUN_FILE}"}
        belonging |= {_artifact(record, name) for name in record.artifacts}
    if foreign := archive.manifest.files.keys() - belonging:
        raise BundleError(f"{archive.where(min(foreign))}: belongs to no run")


def _check_record(archive: Reader, run_id: str, record: RunRecord) -> None:
    manifest = archive.manifest
    is_sweep = run_id in manifest.sweeps
    hashes = {_artifact(record, name): sha256 for name, sha256 in record.artifacts.items()}
    checks = {
        "is of another run": record.run_id == run_id,
        "is of another study": record.study == manifest.study,
        "is of another kind of run": record.tags.get("actscope.kind") == KINDS[is_sweep],
        "is of a run that has not ended": record.status in (ENDED if is_sweep else {"FINISHED"}),
        "has a parent run that is not in the archive": record.tags.get(PARENT_TAG)
        in (None, *([] if is_sweep else manifest.sweeps)),
        "has tags that only a store may set": record.tags.keys().isdisjoint(FOREIGN),
        "has an origin that is not a run id": RUN_ID.fullmatch(record.tags.get(ORIGIN_TAG, run_id)),
        "has artifacts that are not in the archive": all(
            name in manifest.files and manifest.files[name].sha256 == sha256
            for name, sha256 in hashes.items()
        ),
    }
    for wrong, is_right in checks.items():
        if not is_right:
            raise BundleError(f"{archive.where(_folder(run_id))}/{RUN_FILE}: {wrong}")
    artifacts_tag(record.artifacts)
    check_limits(record, f"{archive.where(_folder(run_id))}/{RUN_FILE}")


def _record(archive: Reader, run_id: str) -> RunRecord:
    name = f"{_folder(run_id)}/{RUN_FILE}"
    if name not in archive.manifest.files:
        raise BundleError(f"{archive.where(name)}: is missing")
    return from_json(archive.read(name), archive.where(name))


def _unpack(archive: Reader, record: RunRecord, folder: Path) -> None:
    for name in record.artifacts:
        archive.extract(_artifact(record, name), folder / name)


def _folder(run_id: str) -> str:
    return f"{RECORDS}/{run_id}"


def _artifact(record: RunRecord, name: str) -> str:
    return f"{_folder(str(record.run_id))}/{ARTIFACTS}/{name}"


FOREIGN = {*OF_A_STORE, *signs_of_life()}


def _check_study(study: str, where: str) -> None:
    """Raise BundleError for a study's name that cannot be a folder on every system."""
    try:
        safe_path(study)
    except ValueError:
        raise BundleError(
            f"{where}: study={study}: this name cannot be a folder on every system"
        ) from None
