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
    images: Tensor,
    classes: int,
    dtype: torch.dtype = torch.float32,
) -> nn.Module:
    """Construct a network as `Network(activation=, classes=, in_shape=, **arguments)`.

    `activation()` makes the module of an activation. `images` [B, *in_shape]: some examples, on
    which the network is tried. The modules draw their initial weights from a stream of the seed.

    Raises:
        ConfigError: its class cannot be imported, its code fails, it never calls `activation()`, or
            its logits are not [B, classes].

    """
    kind = find_network(model)

    def make_activation() -> nn.Module:
        made = make_function(activation, dtype)
        setattr(made, MARK, True)
        return made

    arguments: dict[str, Any] = dict(model.arguments)
    shape = tuple(images.shape[1:])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "init"))
        with config_errors("model", f"{model.path} cannot be constructed"):
            module = kind(
                activation=make_activation, classes=classes, in_shape=shape, **arguments
            ).to(dtype)
        if not watched_modules(module):
            raise ConfigError(
                f"model: {model.path} never calls `activation()`. Make each of its activations so."
            )
        with config_errors("model", f"{model.path} fails for images of the shape {shape}"):
            logits = module.eval()(images)
    _check_logits(model, logits, len(images), classes)
    return module


def watched_modules(module: nn.Module) -> dict[str, nn.Module]:
    """The activations of a network that `activation()` has made, by their names."""
    return {name: part for name, part in module.named_modules() if hasattr(part, MARK)}


def _check_logits(model: OwnNetwork, logits: Any, examples: int, classes: int) -> None:
    found = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if found != [examples, classes]:
        raise ConfigError(
            f"model: {model.path} returns {found} for {examples} images of {classes} classes. "
            f"Return logits of the shape {[examples, classes]}."
        )
