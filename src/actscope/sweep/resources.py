"""The resources of a sweep: workers, writers, a cluster, a device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from actscope.engine.device import CPU
from actscope.errors import ConfigError
from actscope.runtime.cores import CPU_COUNT
from actscope.sweep.launcher_settings import LauncherSettings

MAX_WRITERS = 12  # a run locks the database for a tenth of its tracking, so more would wait
USABLE_SHARE = 0.8  # of a GPU's free memory; the allocator cannot use all of the rest


def workers_for(device: str) -> int:
    """Default number of workers: one a core, or one a GPU."""
    if device == CPU:
        return CPU_COUNT
    import torch

    return torch.cuda.device_count()


def writers_for(device: str) -> int:
    """Default number of writers: one a core next to a GPU, none if the cores train."""
    return 0 if device == CPU else min(CPU_COUNT, MAX_WRITERS)


def select_gpu(number: int) -> None:
    """Make this process train on the GPU of this number, modulo the number of GPUs."""
    import torch

    torch.cuda.set_device(number % torch.cuda.device_count())


def free_bytes(device: str) -> float:
    """Bytes of a GPU's memory that a stack may use."""
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    return USABLE_SHARE * free


SCHEMES = ("tcp", "tls")  # of a Dask scheduler's address


@dataclass(frozen=True)
class Resources:
    """The resources of a sweep.

    `workers`: 0 trains in this process. They are processes of this machine, or of the Dask cluster
    at `scheduler`, or of a cluster that is started from `cluster`, with its class as `_target_`.
    `stack_size`: points a stack; None chooses the fastest size. `writers`: further processes of
    this machine, which track the runs that the workers train.
    """

    workers: int
    stack_size: int | None = None
    scheduler: str | None = None
    cluster: Mapping[str, Any] | None = None
    device: str = CPU
    writers: int = 0

    @classmethod
    def checked(cls, settings: LauncherSettings, device: str = CPU) -> Self:
        """Check a user's settings and fill in defaults. Raises ConfigError."""
        workers, writers = settings.workers, settings.writers
        if workers is not None and workers < 0:
            raise ConfigError(
                f"hydra.launcher.workers={workers}: must be at least 0. 0 trains in this process."
            )
        if settings.stack_size is not None and settings.stack_size < 1:
            raise ConfigError(
                f"hydra.launcher.stack_size={settings.stack_size}: must be at least 1."
            )
        if writers is not None and writers < 0:
            raise ConfigError(f"hydra.launcher.writers={writers}: must be at least 0.")
        is_remote = settings.scheduler is not None or settings.cluster is not None
        if is_remote:
            workers = _remote_workers(settings)
        if is_remote or workers == 0:
            if writers:
                raise ConfigError(
                    f"hydra.launcher.writers={writers}: writers needs local workers. Remove it "
                    "when using workers=0, scheduler or cluster."
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
    def is_remote(self) -> bool:
        """Whether workers may run on other machines."""
        return self.scheduler is not None or self.cluster is not None


def _remote_workers(settings: LauncherSettings) -> int:
    """The expected number of workers of a cluster, before any is connected."""
    if settings.scheduler is not None and settings.cluster is not None:
        raise ConfigError(
            "hydra.launcher: scheduler and cluster exclude each other. Give scheduler for a "
            "running cluster, or cluster to start one."
        )
    if settings.workers == 0:
        raise ConfigError(
            "hydra.launcher.workers=0: workers=0 trains in this process; a cluster needs at "
            "least 1."
        )
    if settings.scheduler is not None:
        _check_address(settings.scheduler)
        return 1 if settings.workers is None else settings.workers
    if "_target_" not in (settings.cluster or {}):
        raise ConfigError(
            "hydra.launcher.cluster: _target_ is missing. Give the import path of a Dask cluster "
            "class, or use hydra/launcher=slurm."
        )
    if settings.workers is None:
        raise ConfigError(
            "hydra.launcher.workers: is missing. Give the number of workers to start."
        )
    return settings.workers


def _check_address(scheduler: str) -> None:
    try:
        address = urlsplit(scheduler)
        is_whole = bool(address.hostname) and address.port is not None
    except ValueError:  # the port is not a number
        is_whole = False
    if not is_whole or address.scheme not in SCHEMES:
        raise ConfigError(
            f"hydra.launcher.scheduler={scheduler}: is not the address of a Dask scheduler. Give "
            "one like tcp://host:8786."
        )
