"""Writes and reads runs by MLflow's client: for a server, and for schemas that are not tested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag

from actscope.errors import StoreError
from actscope.tracking.errors import is_already_there
from actscope.tracking.run_record import RECORD_TAG, Input, MetricRow, RunRecord, Status

if TYPE_CHECKING:
    from actscope.tracking.store import Store

ENTITIES_A_BATCH = 1000  # MLflow's limit on metrics, parameters and tags together
PARAMS_A_BATCH = 100  # MLflow's limit on parameters, and on tags


@dataclass(frozen=True)
class ClientRows:
    """RunRows by MLflow's client."""

    store: "Store"

    def create_experiment(self, name: str, artifacts: str | None, tags: Mapping[str, str]) -> str:
        return str(self.store.client.create_experiment(name, artifacts, {**tags}))

    def set_experiment_tag(self, experiment_id: str, name: str, value: str) -> None:
        self.store.client.set_experiment_tag(experiment_id, name, value)

    def open_runs(self, experiment_id: str, records: Sequence[RunRecord]) -> list[tuple[str, str]]:
        return [self._open_run(experiment_id, record) for record in records]

    def _open_run(self, experiment_id: str, record: RunRecord) -> tuple[str, str]:
        info = open_run(self.store, experiment_id, record).info
        self.store.client.log_batch(info.run_id, params=_params(record))
        log_inputs(self.store, info.run_id, record)
        return info.run_id, info.artifact_uri

    def log_metrics(self, run_id: str, metrics: Sequence[MetricRow]) -> None:
        for start in range(0, len(metrics), ENTITIES_A_BATCH):
            batch = [Metric(*row) for row in metrics[start : start + ENTITIES_A_BATCH]]
            self.store.client.log_batch(run_id, metrics=batch)

    def status(self, run_id: str) -> str:
        return str(self.store.client.get_run(run_id).info.status)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            self.store.client.set_tag(run_id, key, value)

    def close(self, run_id: str, status: str, ended: int) -> None:
        self.store.client.set_terminated(run_id, status, ended)

    def end_run(self, run_id: str, record: RunRecord, tags: Mapping[str, str]) -> None:
        self.log_end(run_id, record, tags)
        self.store.client.set_terminated(run_id, record.status, record.ended)

    def log_end(self, run_id: str, record: RunRecord, tags: Mapping[str, str]) -> None:
        """Log parameters, tags and metrics, but not the status."""
        params, last_tags = _params(record), [RunTag(*tag) for tag in tags.items()]
        for start in range(PARAMS_A_BATCH, max(len(params), len(last_tags)), PARAMS_A_BATCH):
            more = slice(start, start + PARAMS_A_BATCH)
            self.store.client.log_batch(run_id, params=params[more], tags=last_tags[more])
        params, last_tags = params[:PARAMS_A_BATCH], last_tags[:PARAMS_A_BATCH]
        room = ENTITIES_A_BATCH - len(params) - len(last_tags)
        self.log_metrics(run_id, record.metrics[:-room])
        last = [Metric(*row) for row in record.metrics[-room:]]
        self.store.client.log_batch(run_id, metrics=last, params=params, tags=last_tags)


def open_run(store: "Store", experiment_id: str, record: RunRecord) -> Run:
    """Create a run with a record's name, tags and start by MLflow's client."""
    return store.client.create_run(experiment_id, record.started, record.tags, run_name=record.name)


def log_content(
    store: "Store", run_id: str, record: RunRecord, tags: Mapping[str, str], folder: Path
) -> None:
    """Log a record but its status; this may be repeated. `folder`: of the artifacts."""
    log_inputs(store, run_id, record)
    store.client.log_artifacts(run_id, str(folder))
    ClientRows(store).log_end(run_id, record, tags)


def log_inputs(store: "Store", run_id: str, record: RunRecord) -> None:
    """Log a record's data sets. The first run with a data set makes its row for the study."""
    if not record.inputs:
        return
    datasets = [dataset_input(i) for i in record.inputs]
    try:
        store.client.log_inputs(run_id, datasets=datasets)
    except StoreError as error:
        if not is_already_there(error):
            raise
        # Another process made the row after MLflow searched for it: now MLflow finds it.
        store.client.log_inputs(run_id, datasets=datasets)


def _params(record: RunRecord) -> list[Param]:
    return [Param(key, value) for key, value in record.params.items()]


def record_of(run: Run, study: str) -> RunRecord:
    """The record of a run in a store, without its metrics and artifacts."""
    tags = {key: value for key, value in run.data.tags.items() if key != "mlflow.runName"}
    status = run.info.status if run.info.status in get_args(Status) else "RUNNING"
    return RunRecord(
        id=tags.get(RECORD_TAG, run.info.run_id),
        study=study,
        name=run.info.run_name,
        status=cast(Status, status),
        started=run.info.start_time,
        ended=run.info.end_time,
        run_id=run.info.run_id,
        sweep=tags.get("actscope.sweep"),
        tags=tags,
        params=run.data.params,
        inputs=tuple(map(_input_of, run.inputs.dataset_inputs if run.inputs else [])),
    )


def dataset_input(given: Input) -> DatasetInput:
    dataset = Dataset(
        given.name, given.digest, given.source_type, given.source, given.schema, given.profile
    )
    return DatasetInput(dataset, [InputTag(key, value) for key, value in given.tags.items()])


def _input_of(found: DatasetInput) -> Input:
    dataset = found.dataset
    return Input(
        dataset.name,
        dataset.digest,
        dataset.source_type,
        dataset.source,
        dataset.schema or None,  # a server returns an empty text for None
        dataset.profile or None,
        {tag.key: tag.value for tag in found.tags},
    )
