"""Copy a study from store to store in one file: `python -m actscope bundle export study=NAME`."""

import sys
from pathlib import Path

from actscope import tracking
from actscope.analysis.tuning import TRIALS
from actscope.command_line import suggestions
from actscope.commands.settings import ExportSettings, StoreSettings
from actscope.errors import ConfigError
from actscope.tracking.bundle.bundle import export_study, import_bundle


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
    trials = f"{settings.study}{TRIALS}"
    with tracking.store_errors(store.location):
        if trials in store.studies():
            words = ["bundle", "export", f"study={trials}", "tracking.uri="]
            sys.stdout.write(
                f"The report of study {settings.study} needs its trials, which are the study "
                f"{trials}. Export them too: {suggestions.again(words, store)}\n"
            )
    return 0


def import_file(path: Path, settings: StoreSettings) -> int:
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
