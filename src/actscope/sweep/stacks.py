"""Groups points into stacks, which are trained together."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from actscope.config import Activation, Point
from actscope.engine.device import CPU
from actscope.engine.images import Described, describe_data
from actscope.engine.recorded import EVALUATED_AT_ONCE, PROBE, TRAJECTORY
from actscope.engine.schedule import in_steps, stack_key, total_steps
from actscope.errors import ConfigError
from actscope.network_settings import Model, OwnNetwork
from actscope.sweep.resources import Resources, free_bytes

Stack = list[Point]

TORCHS = "torch.nn."
# The shipped activations' classes with arguments that need no check: a test makes each of them.
TESTED_FUNCTIONS: Mapping[str, Mapping[str, float]] = {
    "ReLU": {},
    "LeakyReLU": {"negative_slope": 0.01},
    "ELU": {"alpha": 1.0},
    "SELU": {},
    "GELU": {},
    "SiLU": {},
    "Mish": {},
    "CELU": {"alpha": 0.5},
    "Softplus": {},
    "Tanh": {},
    "Sigmoid": {},
    "Hardswish": {},
    "PReLU": {"init": 0.25},
}
# Bytes of a stack on a CPU. Smaller stacks spend more time on starting operations, larger ones wait
# for memory. Measured on busy cores with 2 MiB of L2 each: a run-step takes 0.22 ms in stacks of 19
# runs on the digits (4 MiB), 0.18 ms in 38 (7 MiB) and 0.15 ms in 75 (14 MiB); on MNIST with 128
# units it takes 0.61 ms in 10 (7 MiB), 0.66 ms in 20 (14 MiB) and 0.70 ms in 40 (28 MiB).
FITS_CACHES = 8 * 2**20
DEEP = 8  # hidden layers


def make_stacks(points: Sequence[Point], resources: Resources) -> list[Stack]:
    """Group points that can be trained together, the largest stacks first.

    There are as few stacks as the largest size allows. More are made to divide them evenly among
    the workers: an idle worker costs more than smaller stacks do.
    """
    groups: dict[Point, Stack] = {}
    for point in sorted(points, key=_neighbourhood):
        groups.setdefault(stack_key(point), []).append(point)
    parts = {
        key: math.ceil(len(group) / _largest_size(group, resources))
        for key, group in groups.items()
    }

    def points_a_stack(key: Point) -> float:
        return len(groups[key]) / parts[key]

    while sum(parts.values()) % max(resources.workers, 1):
        coarsest = max(parts, key=points_a_stack)
        if points_a_stack(coarsest) == 1:
            break
        parts[coarsest] += 1
    stacks = [stack for key, group in groups.items() for stack in _cut(group, parts[key])]
    return sorted(stacks, key=len, reverse=True)


def _neighbourhood(point: Point) -> tuple[str, int]:
    """By what points of a stack are put together: by seed, in deep networks first by activation.

    A stack with few seeds reads few minibatches. A stack with few activations joins and splits
    fewer tensors in each layer, which takes a sixth of the time in a network of 16 layers.
    """
    is_deep = isinstance(point.model, Model) and len(point.model.hidden) >= DEEP
    return (point.activation.name if is_deep else "", point.seed)


def _cut(group: Stack, parts: int) -> list[Stack]:
    edges = [len(group) * part // parts for part in range(parts + 1)]
    return [group[start:end] for start, end in pairwise(edges)]


def _largest_size(stack: Stack, resources: Resources) -> int:
    """The largest number of points in a stack like this one; a user's own network trains alone."""
    if isinstance(stack[0].model, OwnNetwork):
        return 1
    if resources.stack_size is not None:
        return resources.stack_size
    data = describe_data(stack[0].data)
    if resources.device == CPU:
        return max(1, FITS_CACHES // cached_bytes_a_run(stack[0], data))
    return max(1, int(free_bytes(resources.device) / bytes_a_run(stack[0], data)))


def run_steps_of(stack: Stack) -> int:
    """Number of steps of all runs of a stack together."""
    return len(stack) * total_steps(stack[0], describe_data(stack[0].data))


def check_trainable(point: Point, data: Described) -> None:
    """Raise ConfigError if a valid point cannot be trained on these data."""
    examples = data.examples
    size = point.train.batch_size
    if size > examples:
        raise ConfigError(
            f"train.batch_size={size}: {data.name} has only {examples} training examples. "
            f"Give at most {examples}."
        )
    if point.activation.batch_norm and 1 in (size, examples % size):
        raise ConfigError(
            f"train.batch_size={size}: leaves a minibatch of 1 of the {examples} examples, which "
            f"{point.activation.name} cannot normalise. Choose another size."
        )
    _check_loss(point, data)
    _check_network(point)
    if not _is_tested(point.activation):
        from actscope.engine.activations import check_function  # torch is slow to import

        check_function(point.activation)


def _check_loss(point: Point, data: Described) -> None:
    has_numbers, wants_numbers = data.classes == 0, point.train.loss == "mse"
    if wants_numbers and not has_numbers:
        raise ConfigError(
            f"train.loss=mse: {data.name} has classes. Choose data with numbers as targets, from a "
            "function of yours, or train.loss=cross_entropy."
        )
    if has_numbers and not wants_numbers:
        raise ConfigError(
            f"train.loss={point.train.loss}: {data.name} has numbers as targets. Choose "
            "train.loss=mse, or return a whole number from 0 for each example."
        )


def _check_network(point: Point) -> None:
    if isinstance(point.model, OwnNetwork):
        from actscope.engine.module_network import check_network  # torch is slow to import

        check_network(point.model, point.activation, point.data)
    elif point.data.is_own:
        from actscope.engine.data import load_data

        if not load_data(point.data).train_x.is_floating_point():
            raise ConfigError(
                f"data: {point.data.name} returns whole numbers, which the built-in network "
                "cannot take. Return float32, or use a network of your own."
            )


def _is_tested(activation: Activation) -> bool:
    arguments = TESTED_FUNCTIONS.get(activation.function.removeprefix(TORCHS))
    is_torchs = activation.function.startswith(TORCHS)
    return is_torchs and arguments == dict(activation.arguments)


def cached_bytes_a_run(point: Point, data: Described) -> int:
    """Bytes of a run's largest layer that each step on a CPU uses: weights, and tensors of units.

    The layers take their turns. A stack that holds all layers of a deep network in the caches is so
    small that starting the operations takes most of its time.
    """
    layers = pairwise(_widths(point, data))
    return max(4 * (i * o + 6 * point.train.batch_size * o) for i, o in layers)


def bytes_a_run(point: Point, data: Described) -> int:
    """Bytes that a run adds to a stack on a GPU, estimated above the measurement (bench, part=gpu).

    Weights with gradients and copies; inputs of a minibatch; tensors that a forward pass over a
    thousand examples keeps for the slopes; and the records, which stay there until the end.
    """
    widths = _widths(point, data)
    units = sum(widths[1:])
    steps, per_epoch = total_steps(point, data), total_steps(point, data) // point.train.epochs
    records = sum(
        len(quantities) * units * (1 + steps // in_steps(every, per_epoch))
        for quantities, every in (
            (TRAJECTORY, point.trajectory.every),
            (PROBE, point.trajectory.probe_every),
        )
    )
    inputs = point.train.batch_size * data.features
    return 4 * (6 * _weights(widths) + 2 * inputs + 10 * EVALUATED_AT_ONCE * units + records)


def _widths(point: Point, data: Described) -> tuple[int, ...]:
    return (data.features, *point.built_in.hidden, data.classes)


def _weights(widths: Sequence[int]) -> int:
    return sum(fan_in * fan_out for fan_in, fan_out in pairwise(widths))
