"""A stack of multilayer perceptrons of one shape; the run is every tensor's first dimension."""

# R runs of the stack, G of them that share an activation, B examples, I inputs, O units of a layer

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from actscope.config import Activation, Point
from actscope.engine.activations import make_function
from actscope.engine.layers import ON_CPU, Inputs, cat
from actscope.engine.random_streams import initial_weights

# A kernel treats the elements at a tensor's end that do not fill two vector registers one by one,
# with another exp() whose last bits differ. A run's numbers must not depend on its place in the
# stack, so runs share a call only if the layer's width fills registers (32 floats with AVX-512).
WHOLE_VECTORS = 32


@dataclass
class Parameter:
    """A tensor [G, ...] of the runs `runs`."""

    name: str
    value: Tensor
    runs: slice

    @property
    def key(self) -> str:
        """A unique name within the stack."""
        return f"{self.name}@{self.runs.start}"


@dataclass
class Hidden:
    """Inputs and outputs of a hidden layer's activation functions, [G, B, O] an activation."""

    given: list[Tensor]
    values: list[Tensor]

    def slopes(self) -> tuple[Tensor, ...]:
        """Derivatives of the functions at their inputs, [G, B, O] an activation.

        They use the graph of the forward pass, which the backward pass frees.
        """
        one = self.values[0].new_ones(())
        ones = [one.expand_as(values) for values in self.values]
        slopes = torch.autograd.grad(self.values, self.given, ones, retain_graph=True)
        # A function like the identity returns the expanded ones, which share one place in memory.
        return tuple(slope.clone() if 0 in slope.stride() else slope for slope in slopes)


@dataclass
class Pass:
    """The tensors of a forward pass: each layer's inputs, and its sums [G, B, O] an activation."""

    inputs: list[Inputs]
    sums: list[Sequence[Tensor]]
    hidden: list[Hidden]

    @property
    def logits(self) -> Tensor:
        """[R, B, classes]."""
        return self.sums[-1][0]


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
        widths = (features, *points[0].model.hidden, classes)
        self.weights = _starts(points, widths, dtype, device)  # [R, I, O]
        self.biases = [
            torch.zeros(len(points), 1, width, dtype=dtype, device=device) for width in widths[1:]
        ]
        self.hidden = [
            [
                Nonlinearity(activation, runs, width, dtype, device)
                for activation, runs in runs_by_activation(points)
            ]
            for width in points[0].model.hidden
        ]
        for parameter in self.of_functions():
            parameter.value.requires_grad_()

    def parameters(self) -> Iterator[Parameter]:
        yield from chain.from_iterable(self.linear())
        yield from self.of_functions()

    def linear(self) -> Iterator[tuple[Parameter, Parameter]]:
        """Weights and biases of each layer. The autograd graph has only their weighted sums."""
        everyone = slice(0, len(self.weights[0]))
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            name = f"layer{number}"
            yield (
                Parameter(f"{name}.weight", weight, everyone),
                Parameter(f"{name}.bias", bias, everyone),
            )

    def of_functions(self) -> Iterator[Parameter]:
        """Trained parameters of activation functions and batch normalisation."""
        for number, layer in enumerate(self.hidden, 1):
            for nonlinearity in layer:
                for name, value in nonlinearity.trained.items():
                    yield Parameter(f"layer{number}.{name}", value, nonlinearity.runs)

    def running(self) -> Iterator[Parameter]:
        """Running statistics of batch normalisation, which are not trained."""
        for number, layer in enumerate(self.hidden, 1):
            for nonlinearity in layer:
                for name, value in nonlinearity.running.items():
                    yield Parameter(f"layer{number}.{name}", value, nonlinearity.runs)

    def tensors(self) -> Iterator[Parameter]:
        """All tensors that a run's predictions depend on."""
        yield from self.parameters()
        yield from self.running()

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

    def forward(self, x: Inputs, *, training: bool, frozen: Tensor | None = None) -> Pass:
        """Compute the logits of x, and return all tensors on the way.

        In training, batch normalisation uses the minibatch's statistics and updates the running
        statistics, except those of `frozen` runs, [R].
        """
        passed = Pass([x], [], [])
        for number, parts in enumerate(self.hidden):
            sums = self._sums(number, passed.inputs[-1], [part.size for part in parts])
            given = [
                part.normalised(own, training=training, frozen=frozen)
                for part, own in zip(parts, sums, strict=True)
            ]
            values = [part.function(own) for part, own in zip(parts, given, strict=True)]
            passed.sums.append(sums)
            passed.hidden.append(Hidden(given, values))
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
        """The tensors of all runs, not copied."""
        return {own.key: own.value.detach() for own in self.tensors()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved state.

        Raises:
            ValueError: the tensors are those of another stack; nothing was changed.

        """
        own = self.state()
        shapes = {name: value.shape for name, value in own.items()}
        if {name: value.shape for name, value in state.items()} != shapes:
            raise ValueError("the tensors of another stack")
        for name, value in own.items():
            value.copy_(state[name])  # in place, as other objects refer to these tensors


class Nonlinearity:
    """The activation function of G runs in a hidden layer, with batch normalisation or without."""

    def __init__(
        self,
        activation: Activation,
        runs: slice,
        width: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.runs = runs
        self.size = runs.stop - runs.start
        self.module = make_function(activation, dtype).to(device)
        self.own = {  # the function's own parameters, like PReLU's slope: one a run
            name: torch.stack([value.detach()] * self.size)
            for name, value in self.module.named_parameters()
            if value.requires_grad
        }
        self.trained = {f"function.{name}": value for name, value in self.own.items()}
        shares_calls = device.type != "cpu" or width % WHOLE_VECTORS == 0
        self.at_once = self.size if shares_calls else 1
        self.running: dict[str, Tensor] = {}
        self.batch_norm = activation.batch_norm
        if self.batch_norm:
            ones = partial(torch.ones, dtype=dtype, device=device)
            zeros = partial(torch.zeros, dtype=dtype, device=device)
            self.trained["norm.weight"] = ones(self.size, 1, width)
            self.trained["norm.bias"] = zeros(self.size, 1, width)
            self.running["norm.running_mean"] = zeros(self.size, width)
            self.running["norm.running_var"] = ones(self.size, width)

    def of_norm(self, name: str, otherwise: Tensor) -> Tensor:
        """A trained tensor of the batch normalisation, [G, O]; `otherwise` if there is none."""
        return self.trained[name].detach().squeeze(1) if self.batch_norm else otherwise

    def normalised(self, sums: Tensor, *, training: bool, frozen: Tensor | None = None) -> Tensor:
        """Batch normalisation of [G, B, O] in each run, with torch.nn.BatchNorm1d's constants."""
        if not self.batch_norm:
            return sums
        # Copies, as the backward pass requires that its inputs are unchanged.
        running = {name: value.clone() for name, value in self.running.items()}
        trained = (self.trained["norm.weight"], self.trained["norm.bias"])
        tensors = (sums, *running.values(), *trained)
        runs = zip(*(_chunks(tensor, self.at_once) for tensor in tensors), strict=True)
        normalised = cat([_batch_norm(*part, training=training) for part in runs])
        for name, value in self.running.items() if training else ():
            new = running[name]
            if frozen is not None:
                new = torch.where(frozen[self.runs].unsqueeze(1), value, new)
            value.copy_(new)
        return normalised

    def function(self, given: Tensor) -> Tensor:
        """The activation function of [G, B, O]."""
        if not self.own:
            return cat([self.module(part) for part in _chunks(given, self.at_once)])
        return torch.cat(
            [
                functional_call(
                    self.module, {name: value[run] for name, value in self.own.items()}, part
                )
                for run, part in enumerate(given.split(1))
            ]
        )


def _starts(
    points: Sequence[Point], widths: Sequence[int], dtype: torch.dtype, device: torch.device
) -> list[Tensor]:
    # Drawn on the CPU for every device, as a GPU's generator gives other numbers.
    drawn = {
        seed: initial_weights(points[0].model, seed, widths, dtype)
        for seed in dict.fromkeys(point.seed for point in points)
    }
    starts = zip(*(drawn[point.seed] for point in points), strict=True)
    return [torch.stack(layer).to(device) for layer in starts]


def _batch_norm(
    sums: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, *, training: bool
) -> Tensor:
    rows = sums.transpose(0, 1).flatten(1)  # [B, G * O]: a unit of a run is a channel
    rows = functional.batch_norm(
        rows,
        running_mean=mean.flatten(),
        running_var=variance.flatten(),
        weight=weight.flatten(),
        bias=bias.flatten(),
        training=training,
    )
    return rows.view(len(rows), len(sums), -1).transpose(0, 1)


def runs_by_activation(points: Sequence[Point]) -> Iterator[tuple[Activation, slice]]:
    """The slices of a stack with the same activation."""
    start = 0
    for activation, stretch in groupby(points, key=lambda point: point.activation):
        size = len(list(stretch))
        yield activation, slice(start, start + size)
        start += size


def _chunks(tensor: Tensor, size: int) -> Sequence[Tensor]:
    # A split costs the backward pass a copy, even a split into one part.
    return [tensor] if len(tensor) <= size else tensor.split(size)
