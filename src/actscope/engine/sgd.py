"""Stochastic gradient descent for a stack."""

# R runs of the stack, B examples, I inputs and O units of a layer

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain, islice

import torch
from torch import Tensor

from actscope.config import Point
from actscope.engine.layers import Inputs, cat, gradient_lengths, lengths
from actscope.engine.model import StackedMLP, StackedPass
from actscope.engine.network import Parameter, Pass


class SGD:
    """torch.optim.SGD with a constant learning rate for each run.

    Each run's loss is multiplied by its rate, so its gradients are the steps themselves. The update
    of a layer is then part of the matrix product that computes the gradient.
    """

    def __init__(self, stack: StackedMLP, points: Sequence[Point], dtype: torch.dtype) -> None:
        self.momentum = points[0].train.momentum
        self.weight_decay = points[0].train.weight_decay
        self.is_mean = points[0].train.reduction == "mean"
        self.linear = list(stack.linear())
        self.of_functions = list(stack.of_functions())
        rates = [point.lr for point in points]
        self.rates = torch.tensor(rates, dtype=dtype, device=stack.device)  # [R]
        self.norms: list[Callable[[], Tensor]] = []  # of the last step, computed on demand
        self.momenta = {
            p.key: torch.zeros_like(p.value) for p in stack.parameters() if self.momentum > 0
        }

    def step(self, losses: Tensor, passed: Pass, frozen: Tensor | None = None) -> None:
        """Take one step down the gradient of losses [R, B], except for `frozen` runs, [R].

        `passed`: the stack's forward pass of these losses.
        """
        assert isinstance(passed, StackedPass)
        sums = list(chain.from_iterable(passed.sums))
        values = [parameter.value for parameter in self.of_functions]
        weights = self.rates / losses.shape[1] if self.is_mean else self.rates
        # Runs do not touch, so the gradient of the sum over runs is each run's own gradient.
        steps = iter(torch.autograd.grad((losses * weights[:, None]).sum(), [*sums, *values]))
        of_sums = [list(islice(steps, len(parts))) for parts in passed.sums]
        with torch.no_grad():
            for parameter, step in zip(self.of_functions, steps, strict=True):
                self._descend(parameter, step, frozen)
            self.norms.clear()
            for layer, inputs, parts in zip(self.linear, passed.inputs, of_sums, strict=True):
                # Batch normalisation of several runs gives a layout for which cat is slow.
                joined = cat([part.contiguous() for part in parts])
                self._descend_linear(*layer, inputs, joined, frozen)

    def _descend_linear(
        self,
        weights: Parameter,
        biases: Parameter,
        inputs: Inputs,
        steps: Tensor,
        frozen: Tensor | None,
    ) -> None:
        """Update a layer from its inputs and the steps of its sums, [R, B, O]."""
        if self.momentum > 0 or self.weight_decay > 0:
            change = self._descend(weights, inputs.gradient(steps), frozen)
            self._descend(biases, steps.sum(1, keepdim=True), frozen)
            self.norms.append(partial(lengths, change))
            return
        # The update is part of the product, so no gradient is written to memory and read again.
        if frozen is not None:
            _clear(steps, frozen)
            if inputs.x.requires_grad:  # otherwise they are the data, which are finite
                _clear(inputs.x, frozen)  # no one reads them after the backward pass
        inputs.subtract_gradient(weights.value, steps)
        biases.value.sub_(steps.sum(1, keepdim=True))
        self.norms.append(partial(gradient_lengths, inputs, steps))

    def _descend(self, parameter: Parameter, step: Tensor, frozen: Tensor | None) -> Tensor:
        """Update a parameter; return the step that was subtracted."""
        value = parameter.value
        if self.weight_decay > 0:
            rates = _beside(self.rates[parameter.runs], value)
            step = step.addcmul(value, rates, value=self.weight_decay)
        if self.momentum > 0:
            step = self.momenta[parameter.key].mul_(self.momentum).add_(step)
        if frozen is not None:  # their steps may be infinite
            _clear(step, frozen[parameter.runs])
        value.sub_(step)
        return step

    def update_norms(self) -> list[Tensor]:
        return [norms() for norms in self.norms]

    def state(self) -> dict[str, Tensor]:
        """The tensors that the next step depends on, not copied."""
        return self.momenta

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for name, momentum in self.momenta.items():
            momentum.copy_(state[name])


def _clear(values: Tensor, frozen: Tensor) -> None:
    """Set the `frozen` runs, [G], of a tensor [G, ...] to zero in place."""
    if values.is_cuda:
        values.masked_fill_(_beside(frozen, values), 0)
    else:  # a mask would read all runs; on a GPU the number of frozen runs is not known
        values.index_fill_(0, frozen.nonzero().flatten(), 0)


def _beside(a_run: Tensor, value: Tensor) -> Tensor:
    """One number a run, [G], in a shape that broadcasts over [G, ...]."""
    return a_run.view(-1, *[1] * (value.dim() - 1))
