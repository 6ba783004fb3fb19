"""Copy a study from store to store in one file: `python -m actscope bundle export study=NAME`."""

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
Copy a study from one store to another, in one file.

examples:
  python -m actscope bundle export study=quickstart
  python -m actscope bundle export study=article_dying file=/tmp/dying.zip
  python -m actscope bundle import quickstart.actscope.zip tracking.uri=sqlite:////tmp/mlflow.db

commands:
  export               write the finished runs of a study, and their sweeps, into an archive
  import FILE          check an archive, then add those of its runs that the store does not have

settings:
  study=NAME           export: the study (no default)
  file=PATH            export: the archive (NAME.actscope.zip in the current folder)
  tracking.uri=URI     the store (mlruns/mlflow.db of the project, or MLFLOW_TRACKING_URI)

The same runs give the same archive, byte for byte. Imported runs have new ids. The tag
actscope.origin_run holds the id of the original run.
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
    """Export or import; returns the exit code."""
    words = sys.argv[1:] if words is None else words
    match words:
        case ["export", *rest]:
            return run_command("bundle export", HELP, ExportSettings, export, rest)
        case ["import", file, *rest] if not file.startswith("-"):
            import_it = partial(import_file, Path(file))
            return run_command("bundle import FILE", HELP, ImportSettings, import_it, rest)
    options = [word for word in words if word in ("-h", "--help")]
    return run_command("bundle", HELP, ImportSettings, partial(_refuse, words), options)


def export(settings: ExportSettings) -> int:
    """Export a study and print the numbers of runs."""
    store = tracking.locate_store(settings.tracking)
    if settings.study is None:
        raise ConfigError("study=NAME: missing. Name the study to export.")
    path = Path(settings.file or f"{settings.study}.actscope.zip")
    if path.is_dir():
        raise ConfigError(f"file={path}: is a folder. Name a file in it.")
    manifest = export_study(store, settings.study, path)
    size = path.stat().st_size / 2**20
    left_out = ", ".join(f"{count} {status}" for status, count in manifest.left_out.items())
    sys.stdout.write(
        f"{path}: {len(manifest.runs)} runs and {len(manifest.sweeps)} sweeps of study "
        f"{manifest.study}, {size:.1f} MiB{f'; left out: {left_out}' if left_out else ''}\n"
    )
    return 0


def import_file(path: Path, settings: ImportSettings) -> int:
    """Import an archive and print the numbers of runs."""
    store = tracking.locate_store(settings.tracking)
    manifest, imported = import_bundle(path, settings.tracking)
    there = f"; {imported.present} were there already" if imported.present else ""
    sys.stdout.write(
        f"{imported.new} runs of study {manifest.study} imported into the store {store}{there}\n"
    )
    if models := sum(name.endswith("/MLmodel") for name in manifest.files):
        sys.stdout.write(
            f"{models} of them have an MLflow model. A model is code: load it only if you trust "
            "the people who made this bundle.\n"
        )
    return 0


def _refuse(words: Sequence[str], _: ImportSettings) -> int:
    raise ConfigError(
        f"{' '.join(['bundle', *words])}: incomplete or unknown command. "
        "Give `bundle export study=NAME` or `bundle import FILE`."
    )


if __name__ == "__main__":
    sys.exit(main())
