"""The inputs of a layer, and their products with its weights.

Runs of one seed have the same minibatch, which is in memory once for all of them.
"""

# R runs of the stack, G of them in a slice, S inputs in memory, B examples, I inputs, O units

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Self

import numpy as np
import torch
from torch import Tensor

from actscope.engine.device import CPU

ON_CPU = torch.device(CPU)


@dataclass(frozen=True)
class Share:
    """A slice of runs, and the slice of the inputs in memory: one for each run, or one for all."""

    runs: slice
    part: slice


@dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs x [S, B, I] of R runs, and which runs share them."""

    x: Tensor
    shares: Sequence[Share]

    @classmethod
    def of_each(cls, x: Tensor) -> Self:
        """Inputs x [R, B, I]; each run has its own."""
        everyone = slice(0, len(x))
        return cls(x, [Share(everyone, everyone)])

    @classmethod
    def of_all(cls, x: Tensor, runs: int) -> Self:
        """Inputs that this number of runs shares: x [B, I]."""
        return cls(x[None], [Share(slice(0, runs), slice(0, 1))])

    def sums(self, weights: Tensor, biases: Tensor) -> Tensor:
        """Weighted sums, [R, B, O], by weights [R, I, O] and biases [R, 1, O]."""
        return cat(
            [
                torch.baddbmm(_of(biases, runs), x, _of(weights, runs))
                for runs, x in self._stretches()
            ]
        )

    def gradient(self, deltas: Tensor) -> Tensor:
        """Gradient of the weights, [R, I, O], from that of the sums, [R, B, O]."""
        return cat([torch.bmm(x.mT, _of(deltas, runs)) for runs, x in self._stretches()])

    def subtract_gradient(self, weights: Tensor, deltas: Tensor) -> None:
        """Subtract the gradient from the weights without storing it."""
        for runs, x in self._stretches():
            _of(weights, runs).baddbmm_(x.mT, _of(deltas, runs), alpha=-1)

    def of_runs(self, values: Tensor) -> Tensor:
        """Expand a value of each input, [S, ...], to the runs that share the input, [R, ...]."""
        return cat([_expanded(values, share) for share in self.shares])

    def _stretches(self) -> Iterator[tuple[slice, Tensor]]:
        for share in self.shares:
            yield share.runs, _expanded(self.x, share)


def shared_by_neighbours(owners: Sequence[int]) -> list[Share]:
    """Shares of neighbouring runs with the same input; `owners`: the input of each run."""
    shares, start = [], 0
    for owner, stretch in groupby(owners):
        end = start + len(list(stretch))
        shares.append(Share(slice(start, end), slice(owner, owner + 1)))
        start = end
    return shares


def cat(parts: list[Tensor]) -> Tensor:
    """torch.cat, but a single part is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _expanded(values: Tensor, share: Share) -> Tensor:
    part = _of(values, share.part)
    return part.expand(share.runs.stop - share.runs.start, *part.shape[1:])


def _of(values: Tensor, stretch: slice) -> Tensor:
    # Slicing takes a noticeable time in stacks of few runs.
    return values if stretch.stop - stretch.start == len(values) else values[stretch]


def lengths(columns: Tensor) -> Tensor:
    """L2 length of each column of [R, I, O], shape [R, O]."""
    if columns.is_cuda:
        exact: Tensor = torch.linalg.vector_norm(columns, dim=1, dtype=torch.float64)
        return exact.to(columns.dtype)
    # einsum stores no squares in memory, so it takes half the time for this many numbers.
    values = columns.numpy()
    norms = torch.from_numpy(np.einsum("rio,rio->ro", values, values)).sqrt_()
    if not bool(torch.isfinite(norms.max())):  # squares of finite numbers may be infinite
        exact = torch.linalg.vector_norm(columns.double(), dim=1).to(columns.dtype)
        norms = torch.where(torch.isinf(norms), exact, norms)
    return norms


def gradient_lengths(inputs: Inputs, deltas: Tensor) -> Tensor:
    """`lengths` of the gradient of a layer's weights, without computing that gradient.

    The squared lengths of x.T @ deltas are the diagonal of deltas.T @ (x @ x.T) @ deltas. That is
    less work if there are fewer examples than inputs, and even less if runs share x.
    """
    x = inputs.x
    if x.shape[1] >= x.shape[2]:
        return lengths(inputs.gradient(deltas))
    norms = _gradient_lengths(inputs, deltas)
    if not x.is_cuda and bool(torch.isfinite(norms.max())):  # no check on a GPU, as it would wait
        return norms
    # The squares of finite numbers may be infinite.
    size_x, size = _largest(x), _largest(deltas)
    exact = _gradient_lengths(replace(inputs, x=x / size_x), deltas / size)
    exact = exact * (inputs.of_runs(size_x) * size).squeeze(1)
    return torch.where(torch.isfinite(norms), norms, exact)


def _gradient_lengths(inputs: Inputs, deltas: Tensor) -> Tensor:
    products = torch.bmm(inputs.of_runs(inputs.x @ inputs.x.mT), deltas)
    squares = products.mul_(deltas).sum(1)
    return squares.clamp_(min=0).sqrt_()  # rounding may give less than 0


def _largest(values: Tensor) -> Tensor:
    """Magnitude of each run's largest value, [R, 1, 1]; if zero, the smallest positive number."""
    return values.abs().amax((1, 2), keepdim=True).clamp_(min=torch.finfo(values.dtype).tiny)
