"""A study's report and MLflow's UI: where its runs are there, and its pages beside its sweep."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from actscope.tracking.errors import store_errors
from actscope.tracking.run_reader import fetch_artifact
from actscope.tracking.store import Store, check_writable, find_experiment
from actscope.tracking.ui import runs_address

REPORT = "report"  # the folder among the artifacts of the sweep's run
LOCAL_UI = "http://127.0.0.1:5000"  # of `make ui`


def runs_in_ui(store: Store, study: str) -> str:
    """Where MLflow's UI has the study's runs, as `runs_address`; '' where only a database is known.

    Raises:
        StoreError: the store is away, or has no such study.

    """
    server = str(store).rstrip("/") if store.database is None else LOCAL_UI
    if not server.startswith("http"):
        return ""
    return runs_address(server, find_experiment(store, study).experiment_id)


def attach_report(store: Store, study: str, pages: Mapping[str, bytes]) -> None:
    """Put a report's pages in place of those of an earlier one; without a sweep there is no place.

    Raises:
        StoreError: the store is away, or cannot be written.

    """
    run_id = _newest_sweep(store, study)
    if run_id is None:
        return
    with store_errors(store):
        if store.database is None:
            _upload(store, run_id, pages)
        else:
            check_writable(store, store.database)
            _place(pages, fetch_artifact(store, study, run_id, REPORT))


def _newest_sweep(store: Store, study: str) -> str | None:
    experiment_id = find_experiment(store, study).experiment_id
    found = store.client.search_runs(
        [experiment_id],
        "tags.`actscope.kind` = 'sweep'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    return str(found[0].info.run_id) if found else None


def _upload(store: Store, run_id: str, pages: Mapping[str, bytes]) -> None:
    with TemporaryDirectory(prefix="actscope-") as folder:
        for name, page in pages.items():
            (Path(folder) / name).write_bytes(page)
        store.client.log_artifacts(run_id, folder, REPORT)


def _place(pages: Mapping[str, bytes], folder: Path) -> None:
    """Write pages into a folder of this machine; where the disk is full, no part of any is left."""
    artifacts = folder.parent
    with TemporaryDirectory(prefix=".report-", dir=artifacts.parent) as beside:
        for name, page in pages.items():
            (Path(beside) / name).write_bytes(page)
        folder.mkdir(exist_ok=True)
        for name in pages:
            (Path(beside) / name).replace(folder / name)
