"""What the training loop needs of a network and its optimiser; R runs are trained at once.

`model.StackedMLP` and `sgd.SGD` train many runs of the built-in network together.
`module_network.ModuleNetwork` and `module_optimiser.ModuleOptimiser` train one run of any module.
"""

# R runs, G of them that share a tensor, B examples, O units or outputs of a layer

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from actscope.engine.layers import Inputs


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


class Hidden(Protocol):
    """The activation functions of a hidden layer in a forward pass."""

    def slopes(self) -> tuple[Tensor, ...]:
        """Derivatives of the functions at their inputs, [G, B, O] an activation.

        They use the graph of the forward pass, which the backward pass frees. A unit of a
        convolution has B * positions of them instead of B.
        """


class Pass(Protocol):
    """The tensors of a forward pass."""

    @property
    def logits(self) -> Tensor:
        """[R, B, classes]."""

    @property
    def hidden(self) -> Sequence[Hidden]: ...

    def outputs(self) -> list[Tensor]:
        """Outputs of each layer's activation functions, then the logits, [R, B, O]."""

    def gradients(self, losses: Tensor) -> list[Tensor]:
        """Gradient of the summed losses [R, B] by each layer's sums, [R, B, O]; frees the graph."""


class Network(Protocol):
    """R networks. The tensors of units, [R, O] a layer, include the output layer's."""

    device: torch.device

    @property
    def runs(self) -> int: ...

    @property
    def widths(self) -> list[int]:
        """Units of each layer."""

    @property
    def layer_names(self) -> list[str]: ...

    def forward(self, x: Inputs, *, training: bool, frozen: Tensor | None = None) -> Pass:
        """Compute the logits of x; in training, running statistics change but for `frozen` runs."""

    def parameters(self) -> Iterator[Parameter]:
        """All trained tensors."""

    def tensors(self) -> Iterator[Parameter]:
        """All tensors that predictions depend on."""

    def unit_means(self) -> list[Tensor]:
        """Mean of each unit's incoming weights."""

    def unit_lengths(self) -> list[Tensor]:
        """L2 length of each unit's incoming weights."""

    def unit_biases(self) -> list[Tensor]:
        """Bias of each unit; behind a normalisation its own, as the other has no gradient."""

    def unit_scales(self) -> list[Tensor]:
        """Factor of each unit's sum: the weight of a normalisation, 1 without one."""

    def state_of(self, run: int) -> dict[str, Tensor]:
        """A copy of one run's tensors."""

    def state(self) -> dict[str, Tensor]:
        """The tensors of all runs, not copied."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved state.

        Raises:
            ValueError: the tensors are those of another network; nothing was changed.

        """


class Optimiser(Protocol):
    """Changes the parameters of a network."""

    def step(self, losses: Tensor, passed: Pass, frozen: Tensor | None = None) -> None:
        """Take one step down the gradient of losses [R, B], except for `frozen` runs, [R]."""

    def update_norms(self) -> list[Tensor]:
        """L2 length of the last change of each unit's incoming weights, [R, O] a layer."""

    def state(self) -> dict[str, Tensor]: ...

    def load_state(self, state: Mapping[str, Tensor]) -> None: ...
