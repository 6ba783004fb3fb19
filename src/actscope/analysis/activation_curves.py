"""Values and slopes of activation functions; the article's without torch, slow to import."""

from collections.abc import Callable, Iterable, Mapping
from inspect import signature

import numpy as np
from numpy.typing import NDArray

from actscope.config import Activation

Floats = NDArray[np.float64]
Formula = Callable[..., tuple[Floats, Floats]]

# SELU's numbers: appendix A.1 of Klambauer et al. (2017), as in torch.nn.SELU
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def value_and_slope(activation: Activation, x: Floats) -> tuple[Floats, Floats]:
    """The function and its derivative at each x, without batch normalisation.

    Raises:
        ConfigError: the function's code is missing or unusable.

    """
    formula = FORMULAS.get(activation.function)
    if formula is not None and _takes(formula, activation.arguments):
        return formula(x, **dict(activation.arguments))
    return by_autograd(activation, x)


def _takes(formula: Formula, arguments: Iterable[tuple[str, object]]) -> bool:
    """Whether a formula has these arguments; torch knows more of them, and refuses wrong ones."""
    known = signature(formula).parameters
    return all(name in known and isinstance(value, int | float) for name, value in arguments)


def by_autograd(activation: Activation, x: Floats) -> tuple[Floats, Floats]:
    """`value_and_slope` by torch, for any function."""
    import torch

    from actscope.engine.activations import make_function

    given = torch.tensor(x, requires_grad=True)
    (value,) = make_function(activation, torch.float64)(given[None])
    (slope,) = torch.autograd.grad(value.sum(), given)
    return value.detach().numpy(), slope.numpy()


def _relu(x: Floats) -> tuple[Floats, Floats]:
    return _leaky_relu(x, 0.0)


def _leaky_relu(x: Floats, negative_slope: float = 0.01) -> tuple[Floats, Floats]:
    slope = np.where(x > 0, 1.0, negative_slope)
    return slope * x, slope


def _elu(x: Floats, alpha: float = 1.0) -> tuple[Floats, Floats]:
    below = np.minimum(x, 0)
    return np.where(x > 0, x, alpha * np.expm1(below)), np.where(x > 0, 1.0, alpha * np.exp(below))


def _selu(x: Floats) -> tuple[Floats, Floats]:
    value, slope = _elu(x, SELU_ALPHA)
    return SELU_SCALE * value, SELU_SCALE * slope


FORMULAS: Mapping[str, Formula] = {
    "torch.nn.ReLU": _relu,
    "torch.nn.LeakyReLU": _leaky_relu,
    "torch.nn.ELU": _elu,
    "torch.nn.SELU": _selu,
}
