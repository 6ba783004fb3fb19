"""Studies and runs as a store holds them, and how runs are written."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from actscope.tracking.run_record import MetricRow, RunRecord


class Experiment(NamedTuple):
    """A study's experiment."""

    experiment_id: str
    name: str
    artifact_location: str
    is_active: bool  # else it is in MLflow's trash
    tags: Mapping[str, str]


class RunRow(NamedTuple):
    """A run as a store holds it. `started`, `ended`: ms since 1970."""

    run_id: str
    name: str
    status: str
    started: int
    ended: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]  # last values


class RunRows(Protocol):
    """Writes a study's experiment and its runs, but for their artifacts.

    A new run is written in the order of these methods.
    """

    def create_experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> str:
        """Create an experiment; returns its id. `artifacts`: their address; None: MLflow's own."""

    def set_experiment_tag(self, experiment_id: str, name: str, value: str) -> None:
        """Set a tag of an experiment."""

    def open_runs(self, experiment_id: str, records: Sequence[RunRecord]) -> list[tuple[str, str]]:
        """Create runs with what is known before the training: start, tags, parameters, data sets.

        Returns each run's id and its artifacts' address.
        """

    def log_metrics(self, run_id: str, metrics: Sequence[MetricRow]) -> None:
        """Log metrics of a run in training."""

    def end_run(self, run_id: str, record: RunRecord, tags: Mapping[str, str]) -> None:
        """Log what is known after the training; the status last. This may be repeated."""

    def status(self, run_id: str) -> str:
        """MLflow's status of a run, which may be in MLflow's trash."""

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""

    def close(self, run_id: str, status: str, ended: int) -> None:
        """Set a run's status and end; `ended`: ms since 1970."""
