"""Points that are trained together, and what a sweep may use for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self
from urllib.parse import urlsplit

import torch

from actscope.config import Point
from actscope.data import load_data
from actscope.device import CPU, free_bytes, workers_for, writers_for
from actscope.errors import ConfigError
from actscope.train import bytes_a_run, stack_key, total_steps
from hydra_plugins.actscope_launcher.launcher import Means

Stack = list[Point]

FITS_CACHES = 20  # points a stack: more overflow a CPU's
SCHEMES = ("tcp", "tls")  # in which a Dask scheduler is spoken to


@dataclass(frozen=True)
class Resources:
    """What a sweep may use: workers (0: only this process), points a stack (None: as many as pay).

    The workers are processes of this machine, or those of a Dask cluster: the one that answers at
    `scheduler`, or one that is started as `cluster` says, its class under `_target_`.
    `writers`: further processes of this machine, which track what the workers train.
    """

    workers: int
    stack_size: int | None = None
    scheduler: str | None = None
    cluster: Mapping[str, Any] | None = None
    device: torch.device = CPU
    writers: int = 0

    @classmethod
    def checked(cls, means: Means, device: torch.device = CPU) -> Self:
        """Resources as a user gives them; no `workers`: one a core or card. Raises ConfigError."""
        workers, writers = means.workers, means.writers
        if workers is not None and workers < 0:
            raise ConfigError(f"hydra.launcher.workers={workers}: give 0 (this process) or more")
        if means.stack_size is not None and means.stack_size < 1:
            raise ConfigError(f"hydra.launcher.stack_size={means.stack_size}: give 1 or more")
        if writers is not None and writers < 0:
            raise ConfigError(f"hydra.launcher.writers={writers}: give 0 or more")
        is_elsewhere = means.scheduler is not None or means.cluster is not None
        if is_elsewhere:
            workers = _workers_elsewhere(means)
        if is_elsewhere or workers == 0:
            if writers:
                raise ConfigError(
                    f"hydra.launcher.writers={writers}: help workers of this machine; leave it out "
                    "with workers=0, scheduler or cluster"
                )
            writers = 0
        return cls(
            workers_for(device) if workers is None else workers,
            means.stack_size,
            means.scheduler,
            means.cluster,
            device,
            writers_for(device) if writers is None else writers,
        )

    @property
    def are_elsewhere(self) -> bool:
        """Whether workers may be on other machines, with clocks, disks and minds of their own."""
        return self.scheduler is not None or self.cluster is not None


def _workers_elsewhere(means: Means) -> int:
    """How many workers of a cluster are counted on, before any has been seen."""
    if means.scheduler is not None and means.cluster is not None:
        raise ConfigError(
            "hydra.launcher: give scheduler, of a cluster that runs, or cluster, of one to start"
        )
    if means.workers == 0:
        raise ConfigError(
            "hydra.launcher.workers=0: is this process alone; a cluster needs 1 or more"
        )
    if means.scheduler is not None:
        _check_address(means.scheduler)
        return 1 if means.workers is None else means.workers
    if "_target_" not in (means.cluster or {}):
        raise ConfigError(
            "hydra.launcher.cluster: needs _target_, the import path of a class of Dask clusters; "
            "hydra/launcher=slurm has one"
        )
    if means.workers is None:
        raise ConfigError("hydra.launcher.workers: say how many workers the cluster is to start")
    return means.workers


def _check_address(scheduler: str) -> None:
    try:
        address = urlsplit(scheduler)
        is_whole = bool(address.hostname) and address.port is not None
    except ValueError:  # of a port that is no number
        is_whole = False
    if not is_whole or address.scheme not in SCHEMES:
        raise ConfigError(
            f"hydra.launcher.scheduler={scheduler}: give the address of a Dask scheduler, like "
            "tcp://host:8786"
        )


def make_stacks(points: Sequence[Point], resources: Resources) -> list[Stack]:
    """Group points that can be trained together, the largest stacks first.

    There are as few stacks as their largest size allows, or so many more that they share out evenly
    among the workers: one that waits for the last stack costs more than smaller stacks do.
    """
    groups: dict[Point, Stack] = {}
    for point in sorted(points, key=lambda point: point.seed):  # few seeds read few minibatches
        groups.setdefault(stack_key(point), []).append(point)
    parts = {
        key: math.ceil(len(group) / _most_of(group, resources)) for key, group in groups.items()
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


def _cut(group: Stack, parts: int) -> list[Stack]:
    edges = [len(group) * part // parts for part in range(parts + 1)]
    return [group[start:end] for start, end in pairwise(edges)]


def _most_of(stack: Stack, resources: Resources) -> int:
    """How many points may share a stack with the first of this one."""
    if resources.stack_size is not None:
        return resources.stack_size
    if resources.device == CPU:
        return FITS_CACHES
    point = stack[0]
    return max(1, int(free_bytes(resources.device) / bytes_a_run(point, load_data(point.data))))


def run_steps_of(stack: Stack) -> int:
    """Steps of all runs of a stack together."""
    return len(stack) * total_steps(stack[0], load_data(stack[0].data))
