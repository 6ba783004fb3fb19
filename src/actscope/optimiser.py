"""Stochastic gradient descent for a stack."""

# R runs of the stack, B examples, I inputs and O units of a layer

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from actscope.config import Point
from actscope.model import Parameter, Pass, StackedMLP
from actscope.trajectory import lengths, product_lengths


class SGD:
    """torch.optim.SGD with a learning rate a run."""

    def __init__(self, stack: StackedMLP, points: Sequence[Point], dtype: torch.dtype) -> None:
        self.momentum = points[0].train.momentum
        self.weight_decay = points[0].train.weight_decay
        self.linear = list(stack.linear())
        self.of_functions = list(stack.of_functions())
        rates = [point.lr for point in points]
        self.rates = torch.tensor(rates, dtype=dtype, device=stack.device)  # [R]
        self.norms: list[Callable[[], Tensor]] = []  # of the last step, for who wants them
        self.momenta = {
            p.key: torch.zeros_like(p.value) for p in stack.parameters() if self.momentum > 0
        }

    def step(self, objective: Tensor, passed: Pass, frozen: Tensor | None = None) -> None:
        """Take one step down the gradient of `objective`, but leave the `frozen` runs, [R], alone.

        `passed`: the forward pass that it comes from.
        """
        trained = [*passed.sums, *(parameter.value for parameter in self.of_functions)]
        gradients = torch.autograd.grad(objective, trained)
        deltas, of_functions = gradients[: len(self.linear)], gradients[len(self.linear) :]
        with torch.no_grad():
            for parameter, gradient in zip(self.of_functions, of_functions, strict=True):
                self._descend(parameter, gradient, frozen)
            self.norms.clear()
            for layer, inputs, delta in zip(self.linear, passed.inputs, deltas, strict=True):
                self._descend_linear(*layer, inputs, delta, frozen)

    def _descend_linear(
        self,
        weights: Parameter,
        biases: Parameter,
        inputs: Tensor,
        deltas: Tensor,
        frozen: Tensor | None,
    ) -> None:
        """Change a layer by its inputs [R, B, I] and the gradient of its sums, [R, B, O]."""
        if self.momentum > 0 or self.weight_decay > 0:
            x = inputs.expand(len(deltas), -1, -1)
            direction = self._descend(weights, torch.bmm(x.mT, deltas), frozen)
            self._descend(biases, deltas.sum(1, keepdim=True), frozen)
            self.norms.append(lambda: lengths(direction) * self.rates[:, None])
            return
        # A part of the product itself: a gradient of its own would be written and read for nothing.
        steps = deltas * _beside(self.rates, deltas)
        if frozen is not None:
            steps.masked_fill_(_beside(frozen, steps), 0)
            if inputs.requires_grad:  # else they are the data, all finite
                inputs = inputs.masked_fill(_beside(frozen, inputs), 0)
        weights.value.baddbmm_(inputs.expand(len(steps), -1, -1).mT, steps, alpha=-1)
        biases.value.sub_(steps.sum(1, keepdim=True))
        self.norms.append(partial(product_lengths, inputs, steps))

    def _descend(self, parameter: Parameter, gradient: Tensor, frozen: Tensor | None) -> Tensor:
        """Change a parameter; returns the direction of that."""
        value, runs = parameter.value, parameter.runs
        rates = self.rates[runs]
        if self.weight_decay > 0:
            gradient = gradient.add(value, alpha=self.weight_decay)
        if self.momentum > 0:
            gradient = self.momenta[parameter.key].mul_(self.momentum).add_(gradient)
        if frozen is not None:  # whose gradients, and rates in this dtype, may be infinite
            gradient.masked_fill_(_beside(frozen[runs], value), 0)
            rates = rates.masked_fill(frozen[runs], 0)
        value.addcmul_(gradient, _beside(rates, value), value=-1)
        return gradient

    def update_norms(self) -> list[Tensor]:
        """L2 length of the last change of each unit's incoming weights, [R, O] a layer."""
        return [norms() for norms in self.norms]

    def state(self) -> dict[str, Tensor]:
        """What the next step depends on, not copied."""
        return self.momenta

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for name, momentum in self.momenta.items():
            momentum.copy_(state[name])


def _beside(a_run: Tensor, value: Tensor) -> Tensor:
    """One number a run, [G], in a shape that broadcasts over [G, ...]."""
    return a_run.view(-1, *[1] * (value.dim() - 1))
