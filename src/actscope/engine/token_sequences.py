"""Generated sequences of tokens whose class is the sum of two of them: no network, no file."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def load(
    digits: int = 5, length: int = 8, train_sequences: int = 4000, test_sequences: int = 1000
) -> tuple[Array, ...]:
    """Tokens [N, `length` + 2] and classes [N] of training and test.

    The first `length` tokens are digits from 0. The last two are each `digits` plus a place; the
    class is the sum of the digits at both places modulo `digits`. So a network must retrieve, and
    then compute.
    """
    # numpy keeps the stream of RandomState for good, and that of Generator not (NEP 19).
    rng = np.random.RandomState(0)
    number = train_sequences + test_sequences
    shown = rng.randint(0, digits, (number, length))
    places = rng.randint(0, length, (number, 2))
    tokens = np.concatenate([shown, digits + places], axis=1)
    classes = np.take_along_axis(shown, places, axis=1).sum(axis=1) % digits
    split = slice(train_sequences), slice(train_sequences, None)
    return tuple(part[rows] for rows in split for part in (tokens, classes))
