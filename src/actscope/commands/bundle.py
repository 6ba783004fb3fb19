"""Carry a study from store to store in one file: `python -m actscope bundle export study=NAME`."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from actscope import tracking
from actscope.command_line.settings import run_command
from actscope.config import CLOSED, StudyName, Tracking
from actscope.errors import ConfigError
from actscope.tracking.bundle.bundle import export_study, import_bundle

HELP = """\
Carry a study from store to store in one file.

examples:
  python -m actscope bundle export study=quickstart
  python -m actscope bundle export study=article_dying file=/tmp/dying.zip
  python -m actscope bundle import quickstart.actscope.zip tracking.uri=sqlite:////tmp/mlflow.db

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


def _refuse(words: Sequence[str], _: ImportSettings) -> int:
    given = " ".join(words) or "nothing"
    raise ConfigError(f"{given}: give one of the commands `export study=NAME`, `import FILE`")


if __name__ == "__main__":
    sys.exit(main())
