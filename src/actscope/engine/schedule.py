"""What the points of a stack share, and the number of steps of their training."""

import math
from dataclasses import replace

from actscope.config import Activation, Point
from actscope.engine.images import Described
from actscope.network_settings import Model


def stack_key(point: Point) -> Point:
    """What all points of a stack share: all but activation, initial weights, rate and seed.

    A user's own network has a stack for itself.
    """
    if not isinstance(point.model, Model):
        return point
    model = replace(point.model, init="he", init_std=None)
    return replace(point, activation=Activation("any", "any"), model=model, lr=1.0, seed=0)


def total_steps(point: Point, data: Described) -> int:
    """Number of minibatches of the training, with the last, smaller one of each epoch."""
    return point.train.epochs * math.ceil(data.examples / point.train.batch_size)


def in_steps(every: int | str, steps_per_epoch: int) -> int:
    """An interval of recording as a number of steps; `epoch` is a whole epoch."""
    return steps_per_epoch if isinstance(every, str) else every
