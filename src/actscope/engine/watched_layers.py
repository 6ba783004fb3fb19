"""Finds the layer whose units an activation of a user's own network shows.

The layer is the linear or convolutional module that is nearest in the autograd graph of the
activation's input. A normalisation on the way belongs to the layer: its weight and bias are those
of the units.
"""

# I incoming weights and O units of a layer

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from actscope.engine.own_network import watched_modules
from actscope.errors import ConfigError

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (nn.Linear, *CONVOLUTIONS, *TRANSPOSED)
NORMS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)
Node = Any  # of an autograd graph; torch has no type for it


@dataclass(frozen=True, eq=False)
class WatchedLayer:
    """A layer of units: its module, its activation, and a normalisation between both.

    A unit is a feature of a linear module, or a channel of a convolution. `activation` is None for
    the output layer.
    """

    name: str
    module: nn.Module
    activation: nn.Module | None
    norm: nn.Module | None

    @property
    def units(self) -> int:
        return self.incoming().shape[1]

    @property
    def dimension(self) -> int:
        """The dimension of the layer's outputs that counts units."""
        return -1 if isinstance(self.module, nn.Linear) else 1

    def incoming(self) -> Tensor:
        """Incoming weights of the units, [I, O]."""
        weight: Tensor = self.module.weight.detach()  # type: ignore[operator]
        return weight.movedim(1 if isinstance(self.module, TRANSPOSED) else 0, -1).flatten(0, -2)

    def bias(self) -> Tensor:
        """Bias of the units, [O]: the norm's, or the module's, or 0."""
        return self._of_units([self.norm, self.module], "bias", 0.0)

    def scale(self) -> Tensor:
        """Factor of the units' sums, [O]: the norm's weight, or 1."""
        return self._of_units([self.norm], "weight", 1.0)

    def _of_units(self, owners: Sequence[nn.Module | None], name: str, otherwise: float) -> Tensor:
        for owner in owners:
            value = getattr(owner, name, None)
            if isinstance(value, Tensor) and value.numel() == self.units:
                return value.detach().flatten()
        return self.incoming().new_full((self.units,), otherwise)


def find_layers(path: str, network: nn.Module, examples: Tensor) -> list[WatchedLayer]:
    """The layers of the network's activations in the order of their calls, then the output layer.

    `path`: of the network's class, for messages.

    Raises:
        ConfigError: an activation is not called exactly once in a forward pass, or has no layer.

    """
    activations = watched_modules(network)
    names = {module: name for name, module in activations.items()}
    inputs: list[tuple[nn.Module, Tensor]] = []

    def note(module: nn.Module, given: Sequence[Tensor], _: Tensor) -> None:
        if not given:
            raise ConfigError(
                f"model: {path} calls its activation {names[module]!r} by keyword. Call it with "
                "its input alone."
            )
        inputs.append((module, given[0]))

    hooks = [module.register_forward_hook(note) for module in activations.values()]
    logits = network.eval()(examples)
    for hook in hooks:
        hook.remove()
    called = [module for module, _ in inputs]
    for module, name in names.items():
        if called.count(module) != 1:
            raise ConfigError(
                f"model: {path} calls its activation {name!r} {called.count(module)} times in a "
                "forward pass. Make one with `activation()` for each place, and call it there."
            )
    owners = _owners(network)
    found = [
        _layer(owners, f"{path}, activation {names[module]!r}", given, module)
        for module, given in inputs
    ]
    return [*found, _layer(owners, f"{path}, the logits", logits, None)]


def _owners(network: nn.Module) -> dict[int, tuple[str, nn.Module]]:
    """Name and module of each parameter of a layer or norm, by the parameter's id."""
    return {
        id(parameter): (name, module)
        for name, module in network.named_modules()
        if isinstance(module, (*WEIGHTED, *NORMS))
        for parameter in module.parameters(recurse=False)
    }


def _layer(
    owners: dict[int, tuple[str, nn.Module]],
    place: str,
    given: Tensor,
    activation: nn.Module | None,
) -> WatchedLayer:
    queue: deque[tuple[Node, nn.Module | None]] = deque([(given.grad_fn, None)])
    seen: set[Node] = set()
    while queue:
        node, norm = queue.popleft()
        if node is None or node in seen:
            continue
        seen.add(node)
        for parameter in _parameters(node):
            name, owner = owners.get(id(parameter), ("", None))
            if isinstance(owner, WEIGHTED):
                layer = WatchedLayer(name, owner, activation, norm)
                _check_units(layer, place, given)
                return layer
            norm = norm or owner
        queue += [(parent, norm) for parent, _ in node.next_functions]
    raise ConfigError(
        f"model: {place}: no torch.nn.Linear or convolution with trained weights comes before it."
    )


def _parameters(node: Node) -> Iterator[Tensor]:
    """Parameters that an operation uses, directly or by a view of them, like a transposed one."""
    for parent, _ in node.next_functions:
        while parent is not None and len(parent.next_functions) == 1:
            parent = parent.next_functions[0][0]
        if hasattr(parent, "variable"):
            yield parent.variable


def _check_units(layer: WatchedLayer, place: str, given: Tensor) -> None:
    features = given.shape[layer.dimension]
    if features != layer.units:
        raise ConfigError(
            f"model: {place}: has {features} features, but {layer.name!r} before it has "
            f"{layer.units} units. Call the activation on the outputs of its layer."
        )
