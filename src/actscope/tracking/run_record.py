"""A run as files, `run.json` next to `artifacts/`: for stores, the offline queue and bundles."""

import hashlib
import json
import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from actscope.errors import BundleError
from actscope.setting_types import CLOSED, Name

FORMAT: Literal[1] = 1
RUN_FILE = "run.json"
ARTIFACTS = "artifacts"
ARTIFACTS_TAG = "actscope.artifacts"  # canonical JSON {path: SHA-256}
RECORD_TAG = "actscope.parcel"  # the name in existing stores
CLASSES_TAG = "actscope.classes"  # the number of classes of a run's data
LAYERS_TAG = "actscope.layers"  # JSON list of the names of layers in a user's own network
TAG_LENGTH = 8000  # MLflow's limit, beyond which it cuts
# A path that every system can hold: Windows reserves names of devices, and cuts a last dot or
# space. A server decodes % sequences.
DEVICE = r"(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\.|$)"
PATH_PART = re.compile(
    rf"(?!{DEVICE})(?!.*%[0-9a-f]{{2}})[\w.+=@,%~ ()-]{{1,100}}(?<![. ])", re.IGNORECASE
)
PATH_LENGTH = 250
PART_BYTES = 255


def safe_path(path: str) -> str:
    """The path, if it stays inside the folder that it is joined to, on any system.

    Raises:
        ValueError: it is absolute, has `..`, names a drive or is unsafe in another way.

    """
    parts = path.split("/")
    is_short = len(path) <= PATH_LENGTH and all(len(p.encode()) <= PART_BYTES for p in parts)
    if not is_short or not all(map(PATH_PART.fullmatch, parts)):
        raise ValueError(f"{path[:PATH_LENGTH]!r} is not a safe relative path")
    return path


RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
Id = Annotated[str, Field(pattern=f"^{RUN_ID.pattern}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Time = Annotated[int, Field(ge=0, lt=2**63)]  # ms since 1970
Artifacts = dict[Annotated[str, AfterValidator(safe_path)], Sha256]
Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
Step = Annotated[int, Field(ge=-(2**63), lt=2**63)]
MetricRow = tuple[str, float, Time, Step]  # key, value, timestamp, step


@dataclass(frozen=True, config=CLOSED)
class Input:
    """A data set that a run was trained on, in MLflow's terms."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, config=CLOSED)
class RunRecord:
    """A run without the content of its artifacts.

    `store`: the only store that the record is for, or None. `run_id`: the run that the record was
    exported from, or that was opened for it.
    """

    id: Id
    study: Name
    name: Annotated[str, Field(min_length=1, max_length=500)]
    status: Status
    started: Time
    ended: Time | None = None
    run_id: Id | None = None
    sweep: str | None = None
    store: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    params: dict[str, str] = Field(default_factory=dict)
    metrics: tuple[MetricRow, ...] = ()
    inputs: tuple[Input, ...] = ()
    artifacts: Artifacts = Field(default_factory=dict)
    format: Literal[1] = FORMAT


ADAPTER = TypeAdapter(RunRecord)


def write_record(record: RunRecord, artifacts: Path, folder: Path) -> None:
    """Write a record and its artifacts into a new folder."""
    shutil.copytree(artifacts, folder / ARTIFACTS, copy_function=shutil.copyfile)
    (folder / RUN_FILE).write_text(to_json(record))


def read_record(folder: Path) -> RunRecord:
    """Read a record and check its artifacts against their hashes.

    Raises:
        BundleError: it is damaged, or this version does not know its format.

    """
    try:
        record = from_json((folder / RUN_FILE).read_bytes(), str(folder / RUN_FILE))
    except OSError as error:
        raise BundleError(f"{folder}: {RUN_FILE} cannot be read: {error.strerror}") from error
    verify_artifacts(record.name, record.artifacts, folder / ARTIFACTS)
    return record


def to_json(record: RunRecord) -> str:
    """The same record gives the same bytes. A number that is not finite becomes text."""
    fields: dict[str, Any] = ADAPTER.dump_python(record)
    fields["metrics"] = [
        [key, value if math.isfinite(value) else str(value), timestamp, step]
        for key, value, timestamp, step in record.metrics
    ]
    return canonical(fields)


def from_json(text: bytes, where: str) -> RunRecord:
    """Parse a record, or raise BundleError with `where` in its message."""
    check_format(text, where)
    try:
        return ADAPTER.validate_json(text)
    except ValidationError as error:
        raise BundleError(f"{where}: {first_mistake(error)}") from None


def check_format(text: bytes, where: str) -> None:
    """Raise BundleError unless the text is a JSON object of the known format."""
    try:
        found = json.loads(text).get("format")
    except (ValueError, AttributeError, RecursionError) as error:
        raise BundleError(f"{where}: is not a JSON object") from error
    if found != FORMAT:
        raise BundleError(f"{where}: has format {found!r:.40}; this actscope reads format {FORMAT}")


def first_mistake(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place[:80]}: {first['msg'].removeprefix('Value error, ')}"


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_artifacts(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under a folder, by its relative path.

    Raises:
        BundleError: there is a link, or a name that some system cannot hold.

    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise BundleError(f"{path}: is a link; a run can hold only files")
        if path.is_file():
            try:
                found[safe_path(name)] = sha256_of_file(path)
            except ValueError as error:
                raise BundleError(f"{folder}: {error}") from error
    return found


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_artifacts(name: str, logged: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Hashes of all files in a run's folder.

    Raises:
        BundleError: a logged file is missing or has changed.

    """
    found = hash_artifacts(folder)
    for path, sha256 in sorted(logged.items()):
        if found.get(path) != sha256:
            what = "is missing" if path not in found else "is not the file that was logged"
            raise BundleError(f"run {name!r}: {folder / path} {what}")
    return found


def logged_artifacts(tags: Mapping[str, str]) -> dict[str, str] | None:
    """SHA-256 of a run's artifacts as they were logged; None where the run has no such tag.

    Raises:
        BundleError: the tag was edited.

    """
    if ARTIFACTS_TAG not in tags:
        return None
    try:
        return TypeAdapter(Artifacts).validate_json(tags[ARTIFACTS_TAG])
    except ValidationError as error:
        raise BundleError(f"tag {ARTIFACTS_TAG}: {first_mistake(error)}") from None


def artifacts_tag(artifacts: Mapping[str, str]) -> str:
    tag = canonical(artifacts)
    if len(tag) > TAG_LENGTH:
        raise BundleError(f"{len(artifacts)} artifacts are too many for a run's tag")
    return tag
