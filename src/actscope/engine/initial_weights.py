"""The weights that a network starts from."""

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from actscope.config import Activation, Point
from actscope.engine.activations import make_function
from actscope.engine.random_streams import stream_seed
from actscope.errors import ConfigError

STEPS_A_UNIT = 256  # of the quadrature; a power of 2, so that a kink at 0 is on a node
FARTHEST = 12  # standard deviations; the density beyond is under 1e-31
GAIN_DIGITS = 9  # machines differ in the last digits of an exp()


def drawn_weights(seed: int, widths: Sequence[int], dtype: torch.dtype) -> list[Tensor]:
    """Standard normal numbers [I, O] of each layer, drawn from the seed's own stream."""
    rng = torch.Generator().manual_seed(stream_seed(seed, "init"))
    return [
        # Drawn in float32 for every dtype, as a generator gives other numbers in float64.
        torch.randn(fan_in, fan_out, generator=rng).to(dtype)
        for fan_in, fan_out in pairwise(widths)
    ]


def initial_weights(
    points: Sequence[Point], widths: Sequence[int], dtype: torch.dtype
) -> list[Tensor]:
    """Normal initial weights of each layer for each point, [R, I, O].

    Points of one seed have the same draws; only their scale differs.
    """
    drawn = {
        seed: drawn_weights(seed, widths, dtype)
        for seed in dict.fromkeys(point.seed for point in points)
    }
    return [
        torch.stack([drawn[p.seed][layer] * initial_std(p, fan_in, fan_out) for p in points])
        for layer, (fan_in, fan_out) in enumerate(pairwise(widths))
    ]


def initial_std(point: Point, fan_in: int, fan_out: int) -> float:
    """Standard deviation of a layer's initial weights.

    he: sqrt(2 / fan_in) (He et al., 2015); lecun: sqrt(1 / fan_in) (LeCun et al., 1998);
    xavier: sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010); matched: the activation's
    `matched_gain` / sqrt(fan_in); own: what the activation's `init` says, else he.

    Raises:
        ConfigError: the activation has no matched gain.

    """
    model, init = point.built_in, point.built_in.init
    if init == "own":
        init = point.activation.init or "he"
    if init == "normal":
        assert model.init_std is not None
        return model.init_std
    if init == "matched":
        return matched_gain(point.activation) / math.sqrt(fan_in)
    variance = {"he": 2 / fan_in, "lecun": 1 / fan_in, "xavier": 2 / (fan_in + fan_out)}
    return math.sqrt(variance[init])


@cache
def matched_gain(activation: Activation) -> float:
    """The gain 1 / sqrt(E f(z)^2), z standard normal, that keeps a signal's mean square.

    If the sums of a layer have mean 0 and variance 1, those of the next layer have it too. For ReLU
    it is sqrt(2), the gain of He et al. (2015). The trapezoidal rule gives 8 digits or more.

    Raises:
        ConfigError: the mean square is zero or not finite.

    Example:
        >>> round(matched_gain(Activation("relu", "torch.nn.ReLU")), 6)
        1.414214

    """
    edge = FARTHEST * STEPS_A_UNIT
    z = torch.arange(-edge, edge + 1, dtype=torch.float64) / STEPS_A_UNIT
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    with torch.no_grad():
        values = make_function(activation, torch.float64)(z)
    mean_square = float(torch.trapezoid(values**2 * density, z))
    if not 0 < mean_square < math.inf:
        raise ConfigError(
            f"activation={activation.name}: has the mean square {mean_square:g} for normal inputs, "
            "so no initial weights match it. Choose model.init=he."
        )
    return round(1 / math.sqrt(mean_square), GAIN_DIGITS)
