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
        rates = torch.tensor([point.lr for point in points], dtype=dtype, device=stack.device)
        self.rates = [rates[p.runs].view(-1, *[1] * (p.value.dim() - 1)) for p in self.parameters]
        self.directions = [torch.zeros_like(p.value) for p in self.parameters]  # of the last step

    def step(self, objective: Tensor, frozen: Tensor | None = None) -> None:
        """Take one step down the gradient of `objective`, but leave the `frozen` runs, [R], alone.

        Their gradients may well not be finite.
        """
        values = [parameter.value for parameter in self.parameters]
        gradients = torch.autograd.grad(objective, values)
        with torch.no_grad():
            for index, (value, direction) in enumerate(zip(values, gradients, strict=True)):
                if self.weight_decay > 0:
                    direction = direction.add(value, alpha=self.weight_decay)
                if self.momentum > 0:
                    direction = self.directions[index].mul_(self.momentum).add_(direction)
                rate = self.rates[index]
                if frozen is not None:
                    own = frozen[self.parameters[index].runs].view_as(rate)
                    direction.masked_fill_(own, 0)
                    rate = rate.masked_fill(own, 0)  # it may be infinite in this dtype
                value.addcmul_(direction, rate, value=-1)
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
            lengths(direction) * rate.squeeze(1)
            for direction, rate, parameter in zip(
                self.directions, self.rates, self.parameters, strict=True
            )
            if parameter.is_weight_matrix
        ]
