"""What a store would refuse of a parcel, found before any of it is written: MLflow's own limits."""

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
from actscope.tracking.run_record import Parcel, dataset_input

# Of columns of MLflow's that its validators leave out: names of runs, source types of data sets.
NAME_LENGTH, SOURCE_TYPE_LENGTH = 250, 36
LAST_MS = 2**63 // 10**6  # since 1970: pandas counts nanoseconds in 64 bits


def check_limits(parcel: Parcel, where: str) -> None:
    """Raise BundleError, which names `where`, for what a store could not hold as it is."""
    try:
        _check_names(parcel)
        _check_values(parcel)
        _validate_dataset_inputs([dataset_input(given) for given in parcel.inputs])
    except MlflowException as error:
        raise BundleError(f"{where}: {shorten(error.message, 200, placeholder='...')}") from None


def _check_names(parcel: Parcel) -> None:
    metrics = dict.fromkeys(key for key, *_ in parcel.metrics)
    for name in (parcel.name, *metrics, *parcel.params, *parcel.tags):
        if not name.isprintable():
            raise MlflowException(f"{name!a}: a name has no control characters")
    if len(parcel.name) > NAME_LENGTH:
        raise MlflowException(f"name: has more than {NAME_LENGTH} characters")
    for key in metrics:
        _validate_metric(key, 0.0, 0, 0, path="metrics")  # type: ignore[no-untyped-call]


def _check_values(parcel: Parcel) -> None:
    times = (parcel.started, parcel.ended or 0, *(row[2] for row in parcel.metrics))
    if max(times) >= LAST_MS:
        raise MlflowException(f"{max(times)}: no time is so many milliseconds after 1970")
    for kind, settings, validate in (
        ("params", parcel.params, _validate_param),
        ("tags", parcel.tags, _validate_tag),
    ):
        for key, value in settings.items():
            kept = validate(key, value, path=kind)  # type: ignore[no-untyped-call]
            if kept.value != value:  # else it would be cut
                raise MlflowException(f"{kind}.{key}: has more than {len(kept.value)} characters")
    if any("\0" in text for text in _texts(parcel)):
        raise MlflowException("a text holds a NUL character, which databases cannot hold")
    if any(len(given.source_type) > SOURCE_TYPE_LENGTH for given in parcel.inputs):
        raise MlflowException(f"source_type: has more than {SOURCE_TYPE_LENGTH} characters")


def _texts(parcel: Parcel) -> Iterator[str]:
    yield from parcel.tags.values()
    yield from parcel.params.values()
    for given in parcel.inputs:
        yield from (given.name, given.digest, given.source_type, given.source)
        yield from (given.schema or "", given.profile or "", *given.tags, *given.tags.values())
