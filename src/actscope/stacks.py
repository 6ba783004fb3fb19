"""Points that are trained together, and what a sweep may use for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from dask.system import CPU_COUNT

from actscope.config import Point
from actscope.data import load_data
from actscope.errors import ConfigError
from actscope.train import stack_key, total_steps

Stack = list[Point]


@dataclass(frozen=True)
class Resources:
    """What a sweep may use: processes (0: only this one) and points a stack."""

    workers: int
    stack_size: int

    @classmethod
    def checked(cls, workers: int | None, stack_size: int) -> Self:
        """Resources as a user gives them; `workers` None: one a core. Raises ConfigError."""
        if workers is not None and workers < 0:
            raise ConfigError(f"hydra.launcher.workers={workers}: give 0 (this process) or more")
        if stack_size < 1:
            raise ConfigError(f"hydra.launcher.stack_size={stack_size}: give 1 or more")
        return cls(CPU_COUNT if workers is None else workers, stack_size)


def make_stacks(points: Sequence[Point], resources: Resources) -> list[Stack]:
    """Group points that can be trained together, the largest stacks first.

    Those of one seed share their minibatches, which is what makes stacking pay on a CPU. The
    largest stacks are halved as long as they are larger than allowed, or do not share out evenly
    among the workers: one that waits for the last stack costs more than a stack cut in two.
    """
    groups: dict[Point, Stack] = {}
    for point in points:
        groups.setdefault(replace(stack_key(point), seed=point.seed), []).append(point)
    stacks = sorted(groups.values(), key=len, reverse=True)
    while len(stacks[0]) > resources.stack_size or (
        len(stacks) % max(resources.workers, 1) and len(stacks[0]) > 1
    ):
        largest = stacks.pop(0)
        middle = (len(largest) + 1) // 2
        stacks = sorted([*stacks, largest[:middle], largest[middle:]], key=len, reverse=True)
    return stacks


def run_steps_of(stack: Stack) -> int:
    """Steps of all runs of a stack together."""
    return len(stack) * total_steps(stack[0], load_data(stack[0].data))
