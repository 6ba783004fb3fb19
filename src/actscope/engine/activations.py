"""Activation functions as torch modules; each is tested before it is used in a training."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache

import torch
from torch import Tensor, nn
from torch.func import functional_call

from actscope.config import Activation
from actscope.engine.user_classes import MISUSED, config_errors, import_module_class, short
from actscope.errors import ConfigError, TrainingError, first_line

NOT_ELEMENTWISE = "is not an elementwise function of its input alone"
LIKE_RELU = ". Choose one like torch.nn.ReLU"
# Rearrangements of 4 x 6 values that do not change an elementwise function: other order, shape,
# layout and selection.
REARRANGED: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda values: values.flip(0, 1).reshape(2, 3, 4),
    lambda values: values.mT,
    lambda values: values[1:3, 2:],
)


@cache
def check_function(activation: Activation) -> None:
    """Raise ConfigError, as `make_function` does, if an activation cannot be used."""
    make_function(activation)


def make_function(activation: Activation, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Create the activation's module with numbers of this type, and test a second one like it.

    Raises:
        ConfigError: its import path or arguments are wrong, its code fails, it is not an
            elementwise function, or it cannot be trained.

    """
    kind = find_class(activation)
    arguments = dict(activation.arguments)
    with _config_errors(activation, "refuses its arguments"):
        module, tried = (kind(**arguments).to(dtype) for _ in range(2))
    with (
        _config_errors(activation, "fails when it is tried"),
        warnings.catch_warnings(action="ignore"),
    ):
        problem = _find_problem(tried, module, dtype)
    if problem:
        raise ConfigError(f"activation={activation.name}: {activation.function} {problem}.")
    return module


def find_class(activation: Activation) -> type[nn.Module]:
    """Import the class of an activation.

    Raises:
        ConfigError: it cannot be imported, or is not a class of torch modules.

    """
    return import_module_class(activation.function, f"activation={activation.name}")


@contextmanager
def contained() -> Iterator[None]:
    """Raise TrainingError if a user's own code tries to end the process, as with SystemExit."""
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise TrainingError(f"a user's own code raises {first_line(error)}") from error


def _config_errors(activation: Activation, what: str) -> AbstractContextManager[None]:
    return config_errors(f"activation={activation.name}", f"{activation.function} {what}")


def _find_problem(tried: nn.Module, other: nn.Module, dtype: torch.dtype) -> str:
    """Why a module cannot be trained, beginning with a verb; empty if it can.

    `other`: a second module of the same class and arguments.
    """
    if getattr(tried, "inplace", False):
        return "must not work in place. Return a new tensor"
    values = torch.linspace(-3, 3, 24, dtype=dtype).view(4, 6)
    try:
        is_random = not _are_same(_tensors(tried), _tensors(other))
        problem = _find_problem_of_values(tried, values)
    except MISUSED as error:
        return f"{NOT_ELEMENTWISE} ({short(error, 60)}){LIKE_RELU}"
    if problem:
        return problem
    if is_random:
        return "starts from random numbers. Give the numbers as arguments"
    return _find_problem_of_gradients(tried, values)


@torch.no_grad()
def _find_problem_of_values(module: nn.Module, values: Tensor) -> str:
    """Test whether each output depends only on the input at its own place.

    The module must return the same values twice, for rearranged inputs, and in evaluation.
    """
    before, randomness = _tensors(module), torch.get_rng_state()
    given = values.clone()
    once, again = module(given), module(given)
    if not (isinstance(once, Tensor) and once.shape == values.shape):
        return f"{NOT_ELEMENTWISE}{LIKE_RELU}"
    if not _is_same(given, values):
        return "must not work in place. Return a new tensor"
    if once.dtype != values.dtype:
        of, kind = (str(dtype).removeprefix("torch.") for dtype in (values.dtype, once.dtype))
        return f"returns {kind} for an input of {of}. Return the type of the input"
    if not (_is_same(once, again) and _is_same(torch.get_rng_state(), randomness)):
        return f"{NOT_ELEMENTWISE}, but draws random numbers{LIKE_RELU}"
    for rearranged in REARRANGED:
        if not _is_close(module(rearranged(values)), rearranged(once)):
            return f"{NOT_ELEMENTWISE}{LIKE_RELU}"
    if not _is_close(module.eval()(values), once):
        return "differs between training and evaluation. Return the same values in both"
    module.train()
    if not _are_same(before, _tensors(module)):
        return "changes its own tensors when it is called. Leave them as they are"
    return ""


@torch.enable_grad()
def _find_problem_of_gradients(module: nn.Module, values: Tensor) -> str:
    """Test whether the input and all parameters have gradients, computed as in training."""
    own = {
        name: value.detach().clone().requires_grad_()
        for name, value in module.named_parameters()
        if value.requires_grad
    }
    given = values.clone().requires_grad_()
    try:
        made = functional_call(module, own, given)
        if not made.requires_grad:
            return "has no gradient. Use operations that torch can differentiate"
        total = made.sum()
        torch.autograd.grad(total, given, retain_graph=True, allow_unused=True)
        slope, *slopes = torch.autograd.grad(total, [given, *own.values()], allow_unused=True)
    except MISUSED as error:
        return f"cannot be differentiated: {short(error)}"
    if slope is None:
        return "does not depend on its input by any gradient. Choose another function"
    unused = [name for name, each in zip(own, slopes, strict=True) if each is None]
    return f"does not use its parameter {unused[0]!r}. Remove it" if unused else ""


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Copies of a module's parameters and buffers."""
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: tensor.detach().clone() for name, tensor in named.items()}


def _are_same(some: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    return some.keys() == others.keys() and all(_is_same(some[name], others[name]) for name in some)


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def _is_close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(
        one, other, rtol=1e-5, atol=1e-6, equal_nan=True
    )
