"""What a sweep may use: workers, writers, a cluster, a device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import torch

from actscope.engine.device import CPU
from actscope.errors import ConfigError
from actscope.runtime.cores import CPU_COUNT
from actscope.sweep.launcher_settings import LauncherSettings

WRITERS_THAT_PAY = 12  # a tenth of what tracking a run takes it has the database for itself


USABLE = 0.8  # of a card's free memory: the rest is for what the allocator cannot use


def workers_for(device: torch.device) -> int:
    """As many as there are cores, or cards."""
    return CPU_COUNT if device == CPU else torch.cuda.device_count()


def writers_for(device: torch.device) -> int:
    """As many as there are cores beside a card; none where the cores train."""
    return 0 if device == CPU else min(CPU_COUNT, WRITERS_THAT_PAY)


def take_card(number: int) -> None:
    """Let this process train on the card of that number, counted round and round."""
    torch.cuda.set_device(number % torch.cuda.device_count())


def free_bytes(device: torch.device) -> float:
    """Memory of a card that a stack may take."""
    free, _ = torch.cuda.mem_get_info(device)
    return USABLE * free


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
    def checked(cls, settings: LauncherSettings, device: torch.device = CPU) -> Self:
        """Resources as a user gives them; no `workers`: one a core or card. Raises ConfigError."""
        workers, writers = settings.workers, settings.writers
        if workers is not None and workers < 0:
            raise ConfigError(f"hydra.launcher.workers={workers}: give 0 (this process) or more")
        if settings.stack_size is not None and settings.stack_size < 1:
            raise ConfigError(f"hydra.launcher.stack_size={settings.stack_size}: give 1 or more")
        if writers is not None and writers < 0:
            raise ConfigError(f"hydra.launcher.writers={writers}: give 0 or more")
        is_elsewhere = settings.scheduler is not None or settings.cluster is not None
        if is_elsewhere:
            workers = _workers_elsewhere(settings)
        if is_elsewhere or workers == 0:
            if writers:
                raise ConfigError(
                    f"hydra.launcher.writers={writers}: help workers of this machine; leave it out "
                    "with workers=0, scheduler or cluster"
                )
            writers = 0
        return cls(
            workers_for(device) if workers is None else workers,
            settings.stack_size,
            settings.scheduler,
            settings.cluster,
            device,
            writers_for(device) if writers is None else writers,
        )

    @property
    def are_elsewhere(self) -> bool:
        """Whether workers may be on other machines, with clocks, disks and minds of their own."""
        return self.scheduler is not None or self.cluster is not None


def _workers_elsewhere(settings: LauncherSettings) -> int:
    """How many workers of a cluster are counted on, before any has been seen."""
    if settings.scheduler is not None and settings.cluster is not None:
        raise ConfigError(
            "hydra.launcher: give scheduler, of a cluster that runs, or cluster, of one to start"
        )
    if settings.workers == 0:
        raise ConfigError(
            "hydra.launcher.workers=0: is this process alone; a cluster needs 1 or more"
        )
    if settings.scheduler is not None:
        _check_address(settings.scheduler)
        return 1 if settings.workers is None else settings.workers
    if "_target_" not in (settings.cluster or {}):
        raise ConfigError(
            "hydra.launcher.cluster: needs _target_, the import path of a class of Dask clusters; "
            "hydra/launcher=slurm has one"
        )
    if settings.workers is None:
        raise ConfigError("hydra.launcher.workers: say how many workers the cluster is to start")
    return settings.workers


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
