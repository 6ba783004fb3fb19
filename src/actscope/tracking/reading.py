"""Runs on their way out of the store, as tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run, ViewType

from actscope.tracking.store import Store, find_experiment

RUNS_A_PAGE = 1000  # MLflow's limit


def read_runs(store: Store, study: str) -> pd.DataFrame:
    """All runs of a study's points, finished or not, oldest first.

    Columns: `run_id`, `name`, `status`, `started` and `ended` (ms since 1970), `outcome`, `reason`,
    `signature`, `signature.config`, `.data`, `.code`, `sweep`, `commit`, `dirty`; the parameters
    under their own names, as text; the metrics' last values under theirs, as numbers.

    Raises:
        StoreError: there is no such study, or the store cannot be read.

    """
    experiment = find_experiment(store, study)
    runs = search(store, experiment.experiment_id, "tags.`actscope.kind` = 'point'")
    rows = [_run_row(run) for run in runs]
    frame = pd.DataFrame(rows)
    return frame.sort_values(["started", "run_id"], ignore_index=True) if rows else frame


def read_history(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return pd.read_parquet(fetch_artifact(store, study, run_id, "history.parquet"))


def read_trajectory(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return pd.read_parquet(fetch_artifact(store, study, run_id, "trajectory.parquet"))


def read_probe(store: Store, study: str, run_id: str) -> pd.DataFrame:
    return pd.read_parquet(fetch_artifact(store, study, run_id, "probe.parquet"))


def fetch_artifact(store: Store, study: str, run_id: str, name: str) -> Path:
    """Path of a run's artifact on this machine.

    A store on this machine is read where it lies now: the absolute addresses in its database are
    those of the day it was written, and a project may have moved since.
    """
    if store.folder is not None:
        return store.folder / "artifacts" / study / run_id / "artifacts" / name
    return Path(store.client.download_artifacts(run_id, name))


def search(store: Store, experiment_id: str, query: str) -> Iterator[Run]:
    """All runs of an experiment that a query of MLflow's finds, page by page."""
    token = None
    while True:
        page = store.client.search_runs(
            [experiment_id],
            query,
            run_view_type=ViewType.ACTIVE_ONLY,
            max_results=RUNS_A_PAGE,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _run_row(run: Run) -> dict[str, Any]:
    tags = run.data.tags
    return {
        "run_id": run.info.run_id,
        "name": run.info.run_name,
        "status": run.info.status,
        "started": run.info.start_time,
        "ended": run.info.end_time,
        **{
            key: tags.get(f"actscope.{key}")
            for key in (
                "outcome",
                "reason",
                "sweep",
                "signature",
                "signature.config",
                "signature.data",
                "signature.code",
            )
        },
        "commit": tags.get("mlflow.source.git.commit"),
        "dirty": tags.get("actscope.git_dirty"),
        **run.data.params,
        **run.data.metrics,
    }
