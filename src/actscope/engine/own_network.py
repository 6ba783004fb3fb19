"""Constructs a user's own network, with an activation that it gets as a factory."""

from typing import Any

import torch
from torch import Tensor, nn

from actscope.config import Activation
from actscope.engine.activations import make_function
from actscope.engine.random_streams import stream_seed
from actscope.engine.user_classes import config_errors, import_module_class
from actscope.errors import ConfigError
from actscope.network_settings import OwnNetwork

Outputs = int | tuple[int, ...]  # the number of classes, or the shape of a target

MARK = "_actscope_watched"  # an attribute, because a network may hold copies of a module


def find_network(model: OwnNetwork) -> type[nn.Module]:
    """Import the class of a network.

    Raises:
        ConfigError: it cannot be imported, or is not a class of torch modules.

    """
    return import_module_class(model.path, "model")


def construct(
    model: OwnNetwork,
    activation: Activation,
    seed: int,
    examples: Tensor,
    outputs: Outputs,
    dtype: torch.dtype = torch.float32,
) -> nn.Module:
    """Construct a network as `Network(activation=, classes=, in_shape=, **arguments)`.

    `activation()` makes the module of an activation. The network is tried on the `examples`
    [B, *in_shape]. Where targets are numbers it gets `out_shape` instead of `classes`.
    The modules draw their initial weights from a stream of the seed.

    Raises:
        ConfigError: its class cannot be imported, its code fails, it never calls `activation()`, or
            its outputs are not [B, classes] or [B, *out_shape].

    """
    kind = find_network(model)

    def make_activation() -> nn.Module:
        made = make_function(activation, dtype)
        setattr(made, MARK, True)
        return made

    arguments: dict[str, Any] = dict(model.arguments)
    shape = tuple(examples.shape[1:])
    name = "classes" if isinstance(outputs, int) else "out_shape"
    asked: dict[str, Any] = {"in_shape": shape, name: outputs}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "init"))
        with config_errors("model", f"{model.path} cannot be constructed"):
            module = kind(activation=make_activation, **asked, **arguments).to(dtype)
        if not watched_modules(module):
            raise ConfigError(
                f"model: {model.path} never calls `activation()`. Make each of its activations so."
            )
        with config_errors("model", f"{model.path} fails for examples of the shape {shape}"):
            found = module.eval()(examples)
    _check_outputs(model, found, len(examples), outputs)
    return module


def watched_modules(module: nn.Module) -> dict[str, nn.Module]:
    """The activations of a network that `activation()` has made, by their names."""
    return {name: part for name, part in module.named_modules() if hasattr(part, MARK)}


def _check_outputs(model: OwnNetwork, given: Any, examples: int, outputs: Outputs) -> None:
    found = list(given.shape) if isinstance(given, Tensor) else type(given).__name__
    if isinstance(outputs, int):
        what, kind, wanted = f"of {outputs} classes", "logits", [examples, outputs]
    else:
        what, kind = f"with targets of the shape {outputs}", "outputs"
        wanted = [examples, *outputs]
    if found != wanted:
        raise ConfigError(
            f"model: {model.path} returns {found} for {examples} examples {what}. "
            f"Return {kind} of the shape {wanted}."
        )
