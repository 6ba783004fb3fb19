"""Activation functions as torch modules."""

import inspect
import pkgutil
import warnings

import torch
from torch import Tensor, nn

from actscope.config import Activation
from actscope.errors import ConfigError


def make_function(activation: Activation) -> nn.Module:
    """The activation's module.

    Raises:
        ConfigError: its import path or arguments are wrong, or it is not an elementwise function.

    """
    name = activation.function
    try:
        kind = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        raise ConfigError(f"activation={activation.name}: there is no {name!r} to import") from None
    if not (inspect.isclass(kind) and issubclass(kind, nn.Module)):
        raise ConfigError(f"activation={activation.name}: {name} is not a class of torch modules")
    try:
        module = kind(**dict(activation.arguments))
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0][:80]
        raise ConfigError(
            f"activation={activation.name}: {name} refuses its arguments: {reason}"
        ) from None
    if getattr(module, "inplace", False):
        raise ConfigError(f"activation={activation.name}: {name} must not work in place")
    if not _is_elementwise(module):
        raise ConfigError(
            f"activation={activation.name}: {name} is not an elementwise function of its input "
            "alone; choose one like torch.nn.ReLU"
        )
    return module


@torch.no_grad()
def _is_elementwise(module: nn.Module) -> bool:
    """Whether each output depends on the input at its own place, and on nothing else.

    Seen by trying: the same values in another order and shape must come out the same, twice.
    """
    values = torch.linspace(-3, 3, 24).view(4, 6)
    elsewhere = values.flip(0, 1).reshape(2, 3, 4)
    try:
        with warnings.catch_warnings(action="ignore"):  # what is wrong is said by us
            once, again, moved = module(values), module(values), module(elsewhere)
    except (RuntimeError, TypeError, ValueError, IndexError, AssertionError):
        return False
    return (
        isinstance(once, Tensor)
        and once.shape == values.shape
        and moved.shape == elsewhere.shape
        and torch.equal(once, again)
        and torch.allclose(moved.reshape(4, 6).flip(0, 1), once, rtol=1e-5, atol=1e-6)
    )
