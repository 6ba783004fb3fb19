"""Values and slopes of activation functions, with torch as the reference."""

import numpy as np
import pytest

from actscope.analysis.activation_curves import FORMULAS, by_autograd, value_and_slope
from actscope.analysis.claims.slope_check import shipped_activation
from actscope.config import Activation
from actscope.errors import ConfigError

X = np.linspace(-4, 4, 802)  # without 0, where slopes jump
ARTICLE = ["relu", "leaky_relu", "elu", "selu", "bn_relu"]


@pytest.mark.parametrize("name", [*ARTICLE, "tanh"])
def test_values_and_slopes_are_those_of_torch(name: str) -> None:
    activation = shipped_activation(name)
    assert (activation.function in FORMULAS) == (name in ARTICLE)
    for own, reference in zip(
        value_and_slope(activation, X), by_autograd(activation, X), strict=True
    ):
        np.testing.assert_allclose(own, reference, rtol=1e-12, atol=1e-14)


def test_arguments_are_heeded() -> None:
    value, slope = value_and_slope(Activation("a", "torch.nn.ELU", (("alpha", 2.0),)), X)
    np.testing.assert_allclose(value, np.where(X > 0, X, 2 * (np.exp(X) - 1)))
    np.testing.assert_allclose(slope, np.where(X > 0, 1, 2 * np.exp(X)))


def test_arguments_that_only_torch_knows_are_left_to_it() -> None:
    in_place = Activation("a", "torch.nn.LeakyReLU", (("negative_slope", 0.5), ("inplace", False)))
    value, slope = value_and_slope(in_place, X)
    np.testing.assert_allclose(value, np.where(X > 0, X, X / 2))
    np.testing.assert_allclose(slope, np.where(X > 0, 1, 0.5))


@pytest.mark.parametrize("argument", [("negative_slop", 0.1), ("negative_slope", "a")])
def test_wrong_arguments_are_an_error(argument: tuple[str, str | float]) -> None:
    with pytest.raises(ConfigError):
        value_and_slope(Activation("a", "torch.nn.LeakyReLU", (argument,)), X)
