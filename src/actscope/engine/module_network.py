"""A user's own network in the training loop; it trains one run, so R is 1."""

# B examples, O units of a layer, F values of a layer for an example: units times positions

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.func import functional_call

from actscope.config import Activation, DataSource
from actscope.engine.data import Data, load_data
from actscope.engine.layers import ON_CPU, Inputs, lengths
from actscope.engine.network import Parameter
from actscope.engine.objective import Measures, example_losses
from actscope.engine.own_network import construct
from actscope.engine.random_streams import stream_seed
from actscope.engine.saved_state import copy_state
from actscope.engine.user_classes import config_errors
from actscope.engine.watched_layers import find_layers
from actscope.errors import ConfigError, TrainingError, first_line
from actscope.network_settings import OwnNetwork

ALONE = slice(0, 1)
TRIED = 2  # examples, as batch normalisation cannot use one


@dataclass
class ModuleHidden:
    """Input and output of a layer's activation in a forward pass, both [B, ...]."""

    given: Tensor
    values: Tensor
    dimension: int  # counts units

    def slopes(self) -> tuple[Tensor, ...]:
        """Derivatives of the activation at its inputs, [1, B * positions, O]."""
        (slopes,) = torch.autograd.grad(self.values.sum(), self.given, retain_graph=True)
        slopes = slopes.movedim(self.dimension, -1)
        return (slopes.reshape(1, -1, slopes.shape[-1]).contiguous(),)


@dataclass
class ModulePass:
    """The tensors of a forward pass; logits are [1, B, classes], or outputs [1, B, F]."""

    logits: Tensor
    hidden: list[ModuleHidden]

    def outputs(self) -> list[Tensor]:
        """Outputs of each activation, then the logits, [1, B, F]."""
        return [*(_by_example(hidden.values) for hidden in self.hidden), self.logits]

    def gradients(self, losses: Tensor) -> list[Tensor]:
        """Gradient of the summed losses by the inputs of each activation and the logits, [1, B, F].

        Behind a normalisation these are its outputs, and not the sums before it.
        """
        places = [*(hidden.given for hidden in self.hidden), self.logits]
        found = torch.autograd.grad(losses.sum(), places, materialize_grads=True)
        return [*map(_by_example, found[:-1]), found[-1]]


def _by_example(values: Tensor) -> Tensor:
    return values.flatten(1)[None]


class ModuleNetwork:
    """A `torch.nn.Module` whose activations are watched by hooks.

    A forward pass in training sets torch's global random stream, so that dropout draws the same
    numbers whatever else runs, and after a checkpoint.

    Raises:
        ConfigError: the network does not fit the data, or has activations without layers.

    """

    def __init__(
        self,
        model: OwnNetwork,
        activation: Activation,
        seed: int,
        data: Data,
        dtype: torch.dtype,
        device: torch.device = ON_CPU,
    ) -> None:
        self.path = model.path
        self.seed = seed
        self.device = device
        self.in_shape = data.in_shape or (data.features,)
        examples = data.train_x[:TRIED].cpu().unflatten(1, self.in_shape)
        examples = examples.to(dtype) if examples.is_floating_point() else examples
        outputs = data.out_shape if data.has_numbers else data.classes
        self.module = construct(model, activation, seed, examples, outputs, dtype)
        layers = find_layers(self.path, self.module, examples)
        if layers[-1].units != data.classes > 0:
            raise ConfigError(
                f"model: {self.path}: its last layer {layers[-1].name!r} has {layers[-1].units} "
                f"units for {data.classes} classes. Compute the logits by a layer of that many."
            )
        self.module.to(device)
        self.layers = layers
        self.passes = torch.zeros(1, dtype=torch.int64)  # in training
        self.called: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        for layer in layers[:-1]:
            assert layer.activation is not None
            layer.activation.register_forward_hook(self._note)

    def _note(self, module: nn.Module, given: Sequence[Tensor], values: Tensor) -> None:
        self.called[module] = (given[0], values)

    @property
    def runs(self) -> int:
        return 1

    @property
    def widths(self) -> list[int]:
        """Units of each layer, the output layer's last."""
        return [layer.units for layer in self.layers]

    @property
    def layer_names(self) -> list[str]:
        return [layer.name for layer in self.layers]

    def _seed_pass(self) -> None:
        # Without a GPU torch.manual_seed takes long: it formats a traceback at each call.
        seed = stream_seed(self.seed, f"pass {int(self.passes)}")
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed_all(seed)

    def forward(self, x: Inputs, *, training: bool, frozen: Tensor | None = None) -> ModulePass:
        """Compute the outputs of x [1, B, I]; in training, a `frozen` network keeps its buffers.

        Raises:
            TrainingError: the network's code fails.

        """
        self.module.train(training)
        is_frozen = frozen is not None and bool(frozen.all())
        if training:
            self._seed_pass()
            self.passes += not is_frozen
        # Of a frozen network copies change, as the backward pass requires that its inputs stay.
        buffers = self.module.named_buffers() if is_frozen else ()
        changed = {name: buffer.clone() for name, buffer in buffers}
        examples = x.x[0].unflatten(1, self.in_shape)
        self.called.clear()
        try:
            outputs = functional_call(self.module, changed, (examples,))
        except Exception as error:
            raise TrainingError(f"model: {self.path} fails: {first_line(error)}") from error
        hidden = [
            ModuleHidden(*self.called[layer.activation], layer.dimension)
            for layer in self.layers
            if layer.activation in self.called
        ]
        return ModulePass(outputs.reshape(1, len(examples), -1), hidden)

    def parameters(self) -> Iterator[Parameter]:
        for name, value in self.module.named_parameters():
            if value.requires_grad:
                yield Parameter(name, value.detach()[None], ALONE)

    def tensors(self) -> Iterator[Parameter]:
        """All parameters and buffers."""
        for tensors in (self.module.named_parameters(), self.module.named_buffers()):
            for name, value in tensors:
                yield Parameter(name, value.detach()[None], ALONE)

    def unit_means(self) -> list[Tensor]:
        return [layer.incoming().mean(0)[None] for layer in self.layers]

    def unit_lengths(self) -> list[Tensor]:
        return [lengths(layer.incoming()[None]) for layer in self.layers]

    def unit_biases(self) -> list[Tensor]:
        return [layer.bias()[None] for layer in self.layers]

    def unit_scales(self) -> list[Tensor]:
        return [layer.scale()[None] for layer in self.layers]

    def state_of(self, run: int) -> dict[str, Tensor]:
        """A copy of the module's tensors, by the names of its `state_dict`."""
        assert run == 0
        return {
            name: value.detach().clone(memory_format=torch.contiguous_format).cpu()
            for name, value in self.module.state_dict().items()
        }

    def state(self) -> dict[str, Tensor]:
        """All tensors of the network, not copied."""
        own = {own.key: own.value for own in self.tensors()}
        return own | {"passes": self.passes}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        copy_state(state, self.state(), "network")


@cache
def check_network(model: OwnNetwork, activation: Activation, source: DataSource) -> None:
    """Raise ConfigError if a network cannot be trained with this activation on these data."""
    data = load_data(source)
    for split, variance in (Measures.of(data).variances or {}).items():
        if variance == 0:
            raise ConfigError(
                f"data: {source.name} returns {split} targets that are all equal, so R² is "
                "undefined. Return others."
            )
    network = ModuleNetwork(model, activation, 0, data, torch.float32)
    tried = Inputs.of_all(data.train_x[:TRIED], 1)
    with config_errors("model", f"{model.path} cannot be trained"):
        passed = network.forward(tried, training=True)
        for hidden in passed.hidden:
            hidden.slopes()
        passed.gradients(example_losses(passed.logits, data.train_y[None, :TRIED]))
