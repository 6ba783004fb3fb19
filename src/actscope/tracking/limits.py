"""MLflow's limits, checked before anything of a record is written."""

from collections.abc import Iterator
from textwrap import shorten

from mlflow.exceptions import MlflowException
from mlflow.utils.validation import (
    _validate_dataset_inputs,
    _validate_metric,
    _validate_param,
    _validate_tag,
)

from actscope.errors import BundleError
from actscope.tracking.client_rows import dataset_input
from actscope.tracking.run_record import RunRecord

# Of columns that MLflow's validators leave out: names of runs, source types of data sets.
NAME_LENGTH, SOURCE_TYPE_LENGTH = 250, 36
LAST_MS = 2**63 // 10**6  # since 1970: pandas counts nanoseconds in 64 bits


def check_limits(record: RunRecord, where: str) -> None:
    """Raise BundleError, which names `where`, if a store could not hold a record unchanged."""
    try:
        _check_names(record)
        _check_values(record)
        _validate_dataset_inputs([dataset_input(given) for given in record.inputs])
    except MlflowException as error:
        raise BundleError(f"{where}: {shorten(error.message, 200, placeholder='...')}") from None


def _check_names(record: RunRecord) -> None:
    metrics = dict.fromkeys(key for key, *_ in record.metrics)
    for name in (record.name, *metrics, *record.params, *record.tags):
        if not name.isprintable():
            raise MlflowException(f"{name!a}: control characters are not allowed in a name")
    if len(record.name) > NAME_LENGTH:
        raise MlflowException(f"name: has more than {NAME_LENGTH} characters")
    for key in metrics:
        _validate_metric(key, 0.0, 0, 0, path="metrics")  # type: ignore[no-untyped-call]


def _check_values(record: RunRecord) -> None:
    times = (record.started, record.ended or 0, *(row[2] for row in record.metrics))
    if max(times) >= LAST_MS:
        raise MlflowException(f"{max(times)}: too many milliseconds after 1970 for a time")
    for kind, settings, validate in (
        ("params", record.params, _validate_param),
        ("tags", record.tags, _validate_tag),
    ):
        for key, value in settings.items():
            kept = validate(key, value, path=kind)  # type: ignore[no-untyped-call]
            if kept.value != value:  # else it would be cut
                raise MlflowException(f"{kind}.{key}: has more than {len(kept.value)} characters")
    if any("\0" in text for text in _texts(record)):
        raise MlflowException("a text holds a NUL character, which databases cannot hold")
    if any(len(given.source_type) > SOURCE_TYPE_LENGTH for given in record.inputs):
        raise MlflowException(f"source_type: has more than {SOURCE_TYPE_LENGTH} characters")


def _texts(record: RunRecord) -> Iterator[str]:
    yield from record.tags.values()
    yield from record.params.values()
    for given in record.inputs:
        yield from (given.name, given.digest, given.source_type, given.source)
        yield from (given.schema or "", given.profile or "", *given.tags, *given.tags.values())
