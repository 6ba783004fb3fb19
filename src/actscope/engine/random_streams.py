"""Random streams that depend on a point's seed alone."""

import hashlib
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from actscope.config import Model


def stream_seed(seed: int, stream: str) -> int:
    """Seed of one of a point's independent random streams."""
    return int.from_bytes(hashlib.sha256(f"{stream}:{seed}".encode()).digest()[:8], "big") >> 1


def initial_weights(
    model: Model, seed: int, widths: Sequence[int], dtype: torch.dtype
) -> list[Tensor]:
    """Normal weights [I, O] of each layer, drawn from the seed's own stream."""
    rng = torch.Generator().manual_seed(stream_seed(seed, "init"))
    return [
        # Drawn in float32 for every dtype, as a generator gives other numbers in float64.
        torch.randn(fan_in, fan_out, generator=rng).to(dtype) * initial_std(model, fan_in, fan_out)
        for fan_in, fan_out in pairwise(widths)
    ]


def initial_std(model: Model, fan_in: int, fan_out: int) -> float:
    """Standard deviation of a layer's initial weights.

    he: sqrt(2 / fan_in) (He et al., 2015); lecun: sqrt(1 / fan_in) (LeCun et al., 1998);
    xavier: sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010).
    """
    if model.init == "normal":
        assert model.init_std is not None
        return model.init_std
    if model.init == "he":
        return math.sqrt(2 / fan_in)
    if model.init == "lecun":
        return math.sqrt(1 / fan_in)
    return math.sqrt(2 / (fan_in + fan_out))
