"""Data sets that a user's own function returns."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from actscope.config import DataSource
from actscope.engine.random_streams import global_streams_kept
from actscope.engine.user_classes import config_errors, import_by_path
from actscope.errors import ConfigError, first_line

Array = np.ndarray[Any, Any]
WANTED = "Return train_x, train_y, test_x, test_y, or a Dataset for training and one for test."


def read_own(source: DataSource) -> tuple[Array, Array, Array, Array]:
    """Inputs [N, ...] and classes [N] or targets [N, ...], as the user's function returns them.

    The function gets `source.arguments`, and returns four tensors or arrays, or two
    torch.utils.data.Dataset of known length. Inputs are float32, or int64 for whole numbers.
    Classes are whole numbers, and targets are floats.
    Random numbers that it draws from the global streams of Python, numpy and torch are always the
    same.

    Raises:
        ConfigError: the function cannot be imported, fails, or returns something else.

    """
    function = import_by_path(source.name, "data")
    with config_errors("data", f"{source.name} fails"), _fixed_random_streams():
        returned = function(**dict(source.arguments))
        if not isinstance(returned, Sequence):
            raise _wrong(source, f"{_kind(returned)}. {WANTED}")
        parts = list(returned)
        if len(parts) == 2:
            parts = [part for each in parts for part in _of_dataset(source, each)]
    if len(parts) != 4:
        raise _wrong(source, f"{len(parts)} values. {WANTED}")
    train_x, test_x = (_inputs(source, part) for part in (parts[0], parts[2]))
    train_y, test_y = (_targets(source, part) for part in (parts[1], parts[3]))
    _check_lengths(source, (train_x, train_y), "training")
    _check_lengths(source, (test_x, test_y), "test")
    if train_x.shape[1:] != test_x.shape[1:]:
        shapes = f"{train_x.shape[1:]} in training and {test_x.shape[1:]} in the test"
        raise _wrong(source, f"inputs of the shape {shapes}. Use one.")
    _check_alike(source, train_y, test_y)
    return train_x, train_y, test_x, test_y


def _check_alike(source: DataSource, train_y: Array, test_y: Array) -> None:
    kinds = [f"{part.dtype} {part.shape[1:]}" for part in (train_y, test_y)]
    if kinds[0] != kinds[1]:
        raise _wrong(
            source, f"targets of {kinds[0]} in training and {kinds[1]} in the test. Use one."
        )
    if train_y.dtype.kind == "f":
        return
    unknown = sorted({*test_y.tolist()} - {*train_y.tolist()})
    if unknown:
        raise _wrong(source, f"class {unknown[0]} in the test only. Train with it too.")


def _of_dataset(source: DataSource, data: Any) -> tuple[Any, Any]:
    """All inputs and classes or targets of a Dataset."""
    if not (isinstance(data, Dataset) and hasattr(data, "__len__")):
        raise _wrong(source, f"{_kind(data)}. {WANTED}")
    items = [data[number] for number in range(len(data))]
    x, y = ([np.asarray(part) for part in parts] for parts in zip(*items, strict=True))
    return np.stack(x), np.stack(y)


def _inputs(source: DataSource, given: Any) -> Array:
    """Inputs as float32 or int64."""
    array = _array(source, given)
    if array.dtype == np.uint8:
        raise _wrong(source, "inputs of uint8. Divide pixels by 255, or return int64.")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise _wrong(source, f"inputs of {array.dtype}. Return numbers, like float32.")
    if not np.isfinite(array).all():
        raise _wrong(source, "inputs that are not finite. Remove them.")
    is_whole = np.issubdtype(array.dtype, np.integer)
    return array.astype(np.int64 if is_whole else np.float32)


def _targets(source: DataSource, given: Any) -> Array:
    """Classes as int64, or targets as float32."""
    array = _array(source, given)
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise _wrong(source, "targets that are not finite.")
        return array.astype(np.float32)
    if not (array.ndim == 1 and np.issubdtype(array.dtype, np.integer) and (array >= 0).all()):
        found = f"classes of {array.dtype} in the shape {array.shape}"
        wanted = "one whole number from 0 for each example, or floats for train.loss=mse"
        raise _wrong(source, f"{found}. Return {wanted}.")
    return array.astype(np.int64)


def _array(source: DataSource, given: Any) -> Array:
    if isinstance(given, Tensor):
        return given.detach().cpu().numpy()
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:
        raise _wrong(source, f"{_kind(given)}, which is no array ({first_line(error)}).") from None


def _check_lengths(source: DataSource, parts: tuple[Array, Array], split: str) -> None:
    inputs, classes = parts
    if not len(inputs) == len(classes) > 0 or inputs.ndim < 2:
        found = f"{split} inputs of the shape {inputs.shape} and {len(classes)} classes"
        raise _wrong(source, f"{found}. Return inputs [N, ...] and N classes, N from 1.")


def _wrong(source: DataSource, what: str) -> ConfigError:
    return ConfigError(f"data: {source.name} returns {what}")


def _kind(value: Any) -> str:
    return type(value).__name__


@contextmanager
def _fixed_random_streams() -> Iterator[None]:
    with global_streams_kept(), torch.random.fork_rng(devices=[]):
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002 - a user may use it
        torch.manual_seed(0)
        yield
