"""A stack of multilayer perceptrons of one shape; the run is every tensor's first dimension."""

# R runs of the stack, G of them that share an activation, B examples, I inputs, O units of a layer

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

import torch
from torch import Tensor

from actscope.config import Activation, Point
from actscope.engine.initial_weights import initial_weights
from actscope.engine.layers import ON_CPU, Inputs, cat, lengths
from actscope.engine.network import Parameter
from actscope.engine.nonlinearity import Nonlinearity
from actscope.engine.saved_state import copy_state


@dataclass
class StackedHidden:
    """Inputs and outputs of a hidden layer's activation functions, [G, B, O] an activation."""

    given: list[Tensor]
    values: list[Tensor]

    def slopes(self) -> tuple[Tensor, ...]:
        """Derivatives of the functions at their inputs, [G, B, O] an activation."""
        # Not by gradients of the values that are ones: torch imports sympy for these, in a second.
        sums = [values.sum() for values in self.values]
        slopes = torch.autograd.grad(sums, self.given, retain_graph=True)
        # A function like the identity returns expanded ones, which share one place in memory.
        return tuple(slope.clone() if 0 in slope.stride() else slope for slope in slopes)


@dataclass
class StackedPass:
    """The tensors of a forward pass: each layer's inputs, and its sums [G, B, O] an activation."""

    inputs: list[Inputs]
    sums: list[Sequence[Tensor]]
    hidden: list[StackedHidden]

    @property
    def logits(self) -> Tensor:
        """[R, B, classes]."""
        return self.sums[-1][0]

    def outputs(self) -> list[Tensor]:
        """Outputs of each hidden layer, then the logits, [R, B, O]."""
        return [*(inputs.x for inputs in self.inputs[1:]), self.logits]

    def gradients(self, losses: Tensor) -> list[Tensor]:
        """Gradient of the summed losses [R, B] by each layer's sums, [R, B, O]."""
        sums = list(chain.from_iterable(self.sums))
        of_sums = iter(torch.autograd.grad(losses.sum(), sums))
        return [cat([next(of_sums) for _ in parts]) for parts in self.sums]


class StackedMLP:
    """R networks; `points` with the same activation must be neighbours.

    Each run starts from its own seed, so its start does not depend on the other runs.
    """

    def __init__(
        self,
        points: Sequence[Point],
        features: int,
        classes: int,
        dtype: torch.dtype,
        device: torch.device = ON_CPU,
    ) -> None:
        self.device = device
        widths = (features, *points[0].built_in.hidden, classes)
        # Drawn on the CPU for every device, as a GPU's generator gives other numbers.
        self.weights = [w.to(device) for w in initial_weights(points, widths, dtype)]  # [R, I, O]
        self.biases = [
            torch.zeros(len(points), 1, width, dtype=dtype, device=device) for width in widths[1:]
        ]
        self.hidden = [
            [
                Nonlinearity(activation, runs, width, dtype, device)
                for activation, runs in runs_by_activation(points)
            ]
            for width in points[0].built_in.hidden
        ]
        for parameter in self.of_functions():
            parameter.value.requires_grad_()

    @property
    def runs(self) -> int:
        return len(self.weights[0])

    @property
    def widths(self) -> list[int]:
        """Units of each layer, the output layer's last."""
        return [bias.shape[2] for bias in self.biases]

    @property
    def layer_names(self) -> list[str]:
        return [f"layer{number}" for number in range(1, 1 + len(self.weights))]

    def parameters(self) -> Iterator[Parameter]:
        yield from chain.from_iterable(self.linear())
        yield from self.of_functions()

    def linear(self) -> Iterator[tuple[Parameter, Parameter]]:
        """Weights and biases of each layer. The autograd graph has only their weighted sums."""
        everyone = slice(0, self.runs)
        for name, weight, bias in zip(self.layer_names, self.weights, self.biases, strict=True):
            yield (
                Parameter(f"{name}.weight", weight, everyone),
                Parameter(f"{name}.bias", bias, everyone),
            )

    def of_functions(self) -> Iterator[Parameter]:
        """Trained parameters of activation functions and batch normalisation."""
        return self._of_hidden(lambda nonlinearity: nonlinearity.trained)

    def running(self) -> Iterator[Parameter]:
        """Running statistics of batch normalisation, which are not trained."""
        return self._of_hidden(lambda nonlinearity: nonlinearity.running)

    def _of_hidden(self, own: Callable[[Nonlinearity], dict[str, Tensor]]) -> Iterator[Parameter]:
        for number, layer in enumerate(self.hidden, 1):
            for nonlinearity in layer:
                for name, value in own(nonlinearity).items():
                    yield Parameter(f"layer{number}.{name}", value, nonlinearity.runs)

    def tensors(self) -> Iterator[Parameter]:
        yield from self.parameters()
        yield from self.running()

    def unit_means(self) -> list[Tensor]:
        return [weight.mean(1) for weight in self.weights]

    def unit_lengths(self) -> list[Tensor]:
        return [lengths(weight) for weight in self.weights]

    def unit_biases(self) -> list[Tensor]:
        """Bias of each unit, [R, O] a layer; behind batch normalisation, the norm's own (beta).

        The bias before a batch normalisation has no gradient, as the mean is subtracted.
        """
        return self._of_units("norm.bias", [bias.squeeze(1) for bias in self.biases])

    def unit_scales(self) -> list[Tensor]:
        """Factor of each unit's sum, [R, O] a layer: the norm's weight (gamma), 1 without norm."""
        return self._of_units("norm.weight", [torch.ones_like(b.squeeze(1)) for b in self.biases])

    def _of_units(self, name: str, otherwise: list[Tensor]) -> list[Tensor]:
        """A trained tensor of batch normalisation, [R, O] a layer; `otherwise` for runs without."""
        layers = zip(self.hidden, otherwise, strict=False)  # the output layer has no norm
        found = [cat([part.of_norm(name, own[part.runs]) for part in p]) for p, own in layers]
        return [*found, otherwise[-1]]

    def forward(self, x: Inputs, *, training: bool, frozen: Tensor | None = None) -> StackedPass:
        """Compute the logits of x, and return all tensors on the way.

        In training, batch normalisation uses the minibatch's statistics and updates the running
        statistics, except those of `frozen` runs, [R].
        """
        passed = StackedPass([x], [], [])
        for number, parts in enumerate(self.hidden):
            sums = self._sums(number, passed.inputs[-1], [part.size for part in parts])
            given = [
                part.normalised(own, training=training, frozen=frozen)
                for part, own in zip(parts, sums, strict=True)
            ]
            values = [part.function(own) for part, own in zip(parts, given, strict=True)]
            passed.sums.append(sums)
            passed.hidden.append(StackedHidden(given, values))
            passed.inputs.append(Inputs.of_each(cat(values)))
        passed.sums.append(self._sums(-1, passed.inputs[-1], [len(self.weights[-1])]))
        return passed

    def _sums(self, layer: int, inputs: Inputs, sizes: Sequence[int]) -> Sequence[Tensor]:
        sums = inputs.sums(self.weights[layer], self.biases[layer])
        # A split costs the backward pass a copy, even a split into one part.
        parts = [sums] if len(sizes) == 1 else sums.split(sizes)
        return [part.requires_grad_(torch.is_grad_enabled()) for part in parts]

    def state_of(self, run: int) -> dict[str, Tensor]:
        """A copy of one run's tensors, in the layout of `torch.nn.Linear` and `BatchNorm1d`."""
        state = {}
        for weights, biases in self.linear():
            state[weights.name] = weights.value[run].T
            state[biases.name] = biases.value[run].flatten()
        for own in chain(self.of_functions(), self.running()):
            if own.runs.start <= run < own.runs.stop:
                state[own.name] = own.value[run - own.runs.start].detach().flatten()
        return {
            name: value.clone(memory_format=torch.contiguous_format).cpu()
            for name, value in state.items()
        }

    def state(self) -> dict[str, Tensor]:
        return {own.key: own.value.detach() for own in self.tensors()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        copy_state(state, self.state(), "stack")


def runs_by_activation(points: Sequence[Point]) -> Iterator[tuple[Activation, slice]]:
    """The slices of a stack with the same activation."""
    start = 0
    for activation, stretch in groupby(points, key=lambda point: point.activation):
        size = len(list(stretch))
        yield activation, slice(start, start + size)
        start += size
