"""A small autoencoder and its data, written as a user writes them: the targets are the inputs."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from torch import nn

from actscope.config import DataSource
from actscope.engine.images import read_images

BRIGHTEST = 16  # pixel of the digits


class Autoencoder(nn.Sequential):
    """Linear layers that are narrow in the middle, and mirrored behind it.

    `hidden`: units of the layers up to the middle, its own last.

    Example:
        >>> net = Autoencoder(nn.ReLU, out_shape=(64,), in_shape=(64,), hidden=(32, 8))
        >>> net(torch.zeros(2, 64)).shape
        torch.Size([2, 64])

    """

    def __init__(
        self,
        activation: Callable[[], nn.Module],
        out_shape: tuple[int, ...],
        in_shape: tuple[int, ...],
        hidden: Sequence[int] = (48, 16),
    ) -> None:
        super().__init__()
        self.add_module("flat", nn.Flatten())
        widths = [math.prod(in_shape), *hidden, *hidden[-2::-1]]
        for number, (inputs, outputs) in enumerate(pairwise(widths), 1):
            self.add_module(f"fc{number}", nn.Linear(inputs, outputs))
            self.add_module(f"act{number}", activation())
        self.add_module("output", nn.Linear(widths[-1], math.prod(out_shape)))
        self.add_module("shaped", nn.Unflatten(1, out_shape))


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images of the digits, [N, 64] in 0..1, as inputs and as targets."""
    (train, _, test, _), _ = read_images(DataSource("digits"))
    train, test = (images.astype(np.float32) / BRIGHTEST for images in (train, test))
    return train, train, test, test
