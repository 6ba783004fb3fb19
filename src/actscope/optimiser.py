"""Stochastic gradient descent for a stack."""

# R runs of the stack, O units of a layer

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from actscope.config import Point
from actscope.model import StackedMLP
from actscope.trajectory import lengths


class SGD:
    """torch.optim.SGD with a learning rate a run."""

    def __init__(self, stack: StackedMLP, points: Sequence[Point], dtype: torch.dtype) -> None:
        self.momentum = points[0].train.momentum
        self.weight_decay = points[0].train.weight_decay
        self.parameters = list(stack.parameters())
        rates = [point.lr for point in points]
        self.rates = torch.tensor(rates, dtype=dtype, device=stack.device)  # [R]
        self.directions = [torch.zeros_like(p.value) for p in self.parameters]  # of the last step

    def step(self, objective: Tensor, frozen: Tensor | None = None) -> None:
        """Take one step down the gradient of `objective`, but leave the `frozen` runs, [R], alone.

        Their gradients may well not be finite.
        """
        gradients = torch.autograd.grad(objective, [p.value for p in self.parameters])
        with torch.no_grad():
            rates = self.rates
            if frozen is not None:
                rates = rates.masked_fill(frozen, 0)  # they may be infinite in this dtype
            for index, (parameter, direction) in enumerate(
                zip(self.parameters, gradients, strict=True)
            ):
                value, runs = parameter.value, parameter.runs
                if self.weight_decay > 0:
                    direction = direction.add(value, alpha=self.weight_decay)
                if self.momentum > 0:
                    direction = self.directions[index].mul_(self.momentum).add_(direction)
                if frozen is not None:
                    direction.masked_fill_(_beside(frozen[runs], value), 0)
                value.addcmul_(direction, _beside(rates[runs], value), value=-1)
                self.directions[index] = direction

    def state(self) -> dict[str, Tensor]:
        """What the next step depends on, not copied."""
        if self.momentum == 0:
            return {}
        return {p.key: d for p, d in zip(self.parameters, self.directions, strict=True)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for name, direction in self.state().items():
            direction.copy_(state[name])

    def update_norms(self) -> list[Tensor]:
        """L2 length of the last change of each unit's incoming weights, [R, O] a layer."""
        return [
            lengths(direction) * self.rates[:, None]
            for direction, parameter in zip(self.directions, self.parameters, strict=True)
            if parameter.is_weight_matrix
        ]


def _beside(a_run: Tensor, value: Tensor) -> Tensor:
    """One number a run, [G], in a shape that broadcasts over [G, ...]."""
    return a_run.view(-1, *[1] * (value.dim() - 1))
