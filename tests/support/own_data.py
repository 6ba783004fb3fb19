"""Data sets as a user's function may return them."""

import random
from typing import Any

import numpy as np
import torch
from torch.utils.data import TensorDataset

rng = torch.Generator().manual_seed(0)
X = torch.rand(60, 2, 3, generator=rng)
Y = torch.arange(60) % 3


def tensors(train: int = 40) -> tuple[Any, ...]:
    return X[:train], Y[:train], X[train:], Y[train:]


def arrays() -> list[Any]:
    return [np.asarray(part, dtype=part.numpy().dtype) for part in tensors()]


def doubles() -> tuple[Any, ...]:
    return tuple(part.double() if part.is_floating_point() else part for part in tensors())


def datasets() -> tuple[Any, ...]:
    return TensorDataset(X[:40], Y[:40]), TensorDataset(X[40:], Y[40:])


def drawn() -> tuple[Any, ...]:
    """Draws from the global streams, as many scripts do."""
    x = torch.rand(60, 4) + random.random() + float(np.random.random())  # noqa: NPY002, S311
    return x[:40], Y[:40], x[40:], Y[40:]


def tokens() -> tuple[Any, ...]:
    return X[:40].flatten(1).mul(9).long(), Y[:40], X[40:].flatten(1).mul(9).long(), Y[40:]


def targets(noise: float = 0.0) -> tuple[Any, ...]:
    """Two numbers [N, 1, 2] of each example, which are linear in its six inputs."""
    weights = torch.rand(6, 2, generator=torch.Generator().manual_seed(1))
    y = (X.flatten(1) @ weights + noise).view(-1, 1, 2)
    return X[:40], y[:40], X[40:], y[40:]


# What is refused


def strings() -> tuple[Any, ...]:
    return np.array([["a", "b"]] * 40), Y[:40], np.array([["a", "b"]] * 20), Y[40:]


def pixels() -> tuple[Any, ...]:
    return tuple(part.mul(255).byte() if part.is_floating_point() else part for part in tensors())


def three() -> tuple[Any, ...]:
    return tensors()[:3]


def nothing() -> None: ...


def ragged() -> tuple[Any, ...]:
    return [[1.0], [1.0, 2.0]], Y[:2], X[40:], Y[40:]


def fewer_classes() -> tuple[Any, ...]:
    return X[:40], Y[:39], X[40:], Y[40:]


def words_as_classes() -> tuple[Any, ...]:
    return X[:40], ["cat"] * 40, X[40:], Y[40:]


def other_shapes() -> tuple[Any, ...]:
    return X[:40], Y[:40], X[40:, :1], Y[40:]


def new_class() -> tuple[Any, ...]:
    return X[:40], Y[:40], X[40:], Y[40:] + 1


def targets_of_other_shapes() -> tuple[Any, ...]:
    return X[:40], X[:40], X[40:], X[40:, 0]


def equal_targets() -> tuple[Any, ...]:
    return X[:40], torch.ones(40), X[40:], torch.ones(20)


def infinite_targets() -> tuple[Any, ...]:
    return X[:40], X[:40] / 0, X[40:], X[40:]


def not_finite() -> tuple[Any, ...]:
    return X[:40] / 0, Y[:40], X[40:], Y[40:]


def generator() -> tuple[Any, ...]:
    return (x for x in X), (x for x in X)


def raises() -> tuple[Any, ...]:
    raise FileNotFoundError("images.npz")


def exits() -> tuple[Any, ...]:
    raise SystemExit("bye")


not_callable = 3
