"""Which training examples train, and which are held out to choose by; the same for all runs."""

import math
from typing import Any

import numpy as np

from actscope.config import DataSource
from actscope.errors import DataError

Labels = np.ndarray[Any, Any]
Rows = np.ndarray[Any, np.dtype[np.int64]]


def split_rows(source: DataSource, labels: Labels) -> tuple[Rows, Rows]:
    """Rows of the examples that train and of the validation examples, both stratified by class.

    Raises:
        DataError: there are too few or too many of them.

    """
    size = training_size(source, labels)
    train, validation = _hold_out(source, labels)
    first = train[stratified_order(labels[train])[:size]]
    return np.sort(first), validation


def strata_of(labels: Labels) -> Labels:
    """The classes that splits are stratified by: one for all where targets are numbers."""
    return np.zeros(len(labels), int) if labels.dtype.kind == "f" else labels


def training_size(source: DataSource, labels: Labels) -> int:
    """Number of examples that train; there are examples of each class among them.

    Raises:
        DataError: there are too few or too many for that, or the same of validation examples.

    """
    left, classes = len(labels) - held_out(source, labels), len(np.unique(labels))
    size = left if source.train_size is None else source.train_size
    if not classes <= size <= left:
        beside = " that are not held out" if left < len(labels) else ""
        raise DataError(
            f"data.train_size={size}: {source.name} has {left} training examples{beside}. "
            f"Train on {classes} to {left} of them."
        )
    return size


def held_out(source: DataSource, labels: Labels) -> int:
    """Number of validation examples; training and validation both have examples of each class.

    Raises:
        DataError: there are too few or too many for that.

    """
    share = source.validation  # or a number of examples; scikit-learn rounds up
    examples = math.ceil(share * len(labels)) if isinstance(share, float) else share
    least, most = len(np.unique(labels)), len(labels) - len(np.unique(labels))
    if examples and not least <= examples <= most:
        raise DataError(
            f"data.validation={source.validation}: {source.name} has {len(labels)} training "
            f"examples. Hold out {least} to {most} of them."
        )
    return examples


def stratified_order(labels: Labels) -> Rows:
    """A fixed shuffle of rows in which each class is spread evenly, so any first n are stratified.

    Example k of the m of a class, from 0, is at the fraction k / m of the order. Examples at
    the same fraction follow their classes, so the first rows are one of each class.
    """
    # numpy keeps the stream of RandomState for good, and that of Generator not (NEP 19).
    shuffled = np.random.RandomState(0).permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        own = np.flatnonzero(labels[shuffled] == label)
        place[own] = np.arange(len(own)) / len(own)
    return shuffled[np.lexsort((labels[shuffled], place))]


def _hold_out(source: DataSource, labels: Labels) -> tuple[Rows, Rows]:
    rows = np.arange(len(labels))
    if held_out(source, labels) == 0:
        return rows, rows[:0]
    from sklearn.model_selection import train_test_split

    train, validation = train_test_split(
        rows, test_size=source.validation, stratify=labels, random_state=0
    )
    return np.sort(train), np.sort(validation)
