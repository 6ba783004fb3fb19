"""Networks as users write them, and three ways to the gradients of many runs."""

# R runs, B examples, F numbers of an output

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from actscope.config import Activation
from actscope.engine.objective import example_losses
from actscope.engine.own_network import Outputs, construct
from actscope.network_settings import OwnNetwork

Tensors = dict[str, Tensor]
Shape = tuple[int, ...]

ENGINE = "actscope.engine"


class Perceptron(nn.Sequential):
    """Linear layers of these widths, the inputs' first, with an activation between them."""

    def __init__(
        self,
        activation: Callable[[], nn.Module],
        classes: int,
        in_shape: Shape,
        hidden: Sequence[int] = (64,),
    ) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([*in_shape, *hidden]):
            layers += [nn.Linear(inputs, outputs), activation()]
        super().__init__(*layers, nn.Linear(hidden[-1], classes))


@dataclass(frozen=True)
class Case:
    """A network, the shape of an example, and its outputs; `tokens`: different whole numbers."""

    path: str
    in_shape: Shape
    outputs: Outputs = 10
    tokens: int = 0

    def networks(self, activation: Activation, runs: int) -> list[nn.Module]:
        """A network for each seed."""
        shown, _ = self.minibatches(1, 2, 0)
        return [
            construct(OwnNetwork(self.path), activation, seed, shown[0], self.outputs).train()
            for seed in range(runs)
        ]

    def minibatches(self, runs: int, examples: int, seed: int) -> tuple[Tensor, Tensor]:
        """Random examples [R, B, *in_shape] with classes [R, B] or targets [R, B, F]."""
        rng = torch.Generator().manual_seed(seed)
        shape = (runs, examples, *self.in_shape)
        x = torch.rand(shape, generator=rng)
        if self.tokens:
            x = torch.randint(self.tokens, shape, generator=rng)
        if isinstance(self.outputs, int):
            return x, torch.randint(self.outputs, (runs, examples), generator=rng)
        return x, torch.rand((runs, examples, *self.outputs), generator=rng).flatten(2)


AUTOENCODER = Case(f"{ENGINE}.autoencoder.Autoencoder", (64,), (64,))
CASES = {
    "64-64-10": Case(f"{__name__}.Perceptron", (64,)),
    "784-64-10": Case(f"{__name__}.Perceptron", (784,)),
    "autoencoder": AUTOENCODER,
    "lenet": Case(f"{ENGINE}.lenet.LeNet", (1, 28, 28)),
    "residual": Case(f"{ENGINE}.residual.ResidualCNN", (3, 32, 32)),
    "transformer": Case(f"{ENGINE}.transformer.Transformer", (10,), 5, tokens=16),
}


# Three ways to the outputs and gradients of R runs


def one_at_a_time(modules: Sequence[nn.Module], x: Tensor, y: Tensor) -> list[Tensors]:
    """Outputs and gradients of each run, as actscope computes them."""
    return [_alone(*run) for run in zip(modules, x, y, strict=True)]


def _alone(module: nn.Module, x: Tensor, y: Tensor) -> Tensors:
    parameters = dict(module.named_parameters())
    outputs = module(x)
    found = torch.autograd.grad(_loss(outputs, y), list(parameters.values()))
    return {"outputs": outputs.detach(), **dict(zip(parameters, found, strict=True))}


def _loss(outputs: Tensor, y: Tensor) -> Tensor:
    """The mean loss of one run."""
    return example_losses(outputs.reshape(1, len(outputs), -1), y[None]).mean()


@dataclass(frozen=True, eq=False)
class Stack:
    """R networks as one: a module without numbers, and stacked parameters and buffers, [R, ...]."""

    module: nn.Module
    parameters: Tensors
    buffers: Tensors

    @classmethod
    def of(cls, modules: Sequence[nn.Module]) -> "Stack":
        parameters, buffers = stack_module_state(list(modules))
        return cls(modules[0], {name: own.detach() for name, own in parameters.items()}, buffers)

    def outputs(self, parameters: Tensors, buffers: Tensors, x: Tensor) -> Tensor:
        found: Tensor = functional_call(self.module, (parameters, buffers), (x,))
        return found


def vmap_of_gradients(stack: Stack, x: Tensor, y: Tensor) -> Tensors:
    """Outputs and gradients, [R, ...]: vmap over each run's gradient."""

    def loss(parameters: Tensors, buffers: Tensors, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = stack.outputs(parameters, buffers, x)
        return _loss(outputs, y), outputs

    gradients, outputs = vmap(grad(loss, has_aux=True))(stack.parameters, stack.buffers, x, y)
    return {"outputs": outputs, **gradients}


def gradients_of_vmap(stack: Stack, x: Tensor, y: Tensor) -> Tensors:
    """Outputs and gradients, [R, ...]: ordinary autograd of the outputs that vmap computes."""
    parameters = {name: own.requires_grad_() for name, own in stack.parameters.items()}
    outputs = vmap(stack.outputs)(parameters, stack.buffers, x)
    losses = example_losses(outputs.flatten(2), y).mean(1)
    found = torch.autograd.grad(losses.sum(), list(parameters.values()))
    return {"outputs": outputs.detach(), **dict(zip(parameters, found, strict=True))}


Gradients = Callable[[Stack, Tensor, Tensor], Tensors]
WAYS: dict[str, Gradients] = {"vmap": vmap_of_gradients, "autograd": gradients_of_vmap}
