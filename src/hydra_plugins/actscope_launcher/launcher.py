"""Hydra's side of a sweep: compose all points, pass them to actscope, return the results.

Hydra imports this at every start, so it imports little.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from actscope.sweep.launcher_settings import LauncherSettings
from hydra_plugins.actscope_launcher.compose import compose_all

log = logging.getLogger(__name__)

Task = TypeVar("Task", bound=Callable[..., Any])


@dataclass(frozen=True)
class Job:
    """One job of a multirun: its number, its overrides, and its composed configuration."""

    number: int
    overrides: Sequence[str]
    config: DictConfig


# (jobs, the sweep's folder, settings) -> the return value or exception of each job
TrainGrid = Callable[[Sequence[Job], Path, LauncherSettings], Sequence[Any]]


# (what the jobs share, settings, number of jobs) -> entered before the jobs are composed
Prepare = Callable[[DictConfig, LauncherSettings, int], AbstractContextManager[None]]


def trains_grids_with(train_grid: TrainGrid, prepared: Prepare) -> Callable[[Task], Task]:
    """Mark a task function as one whose jobs `train_grid` can run all at once, when `prepared`."""

    def mark(task: Task) -> Task:
        task.train_grid, task.prepared = train_grid, prepared  # type: ignore[attr-defined]
        return task

    return mark


@dataclass
class ActscopeLauncherConf:
    _target_: str = "hydra_plugins.actscope_launcher.launcher.ActscopeLauncher"
    workers: int | None = None  # processes; null: one a core, or GPU; 0: train in this process
    stack_size: int | None = None  # points trained together; null: as many as fit caches or GPU
    scheduler: str | None = None  # address of a running Dask cluster, like tcp://host:8786
    cluster: Any = None  # a Dask cluster to start: its class as `_target_`, and its arguments
    writers: int | None = None  # further processes that track runs; null: 0, or up to 12 with a GPU
    _recursive_: bool = False  # the cluster is started only when there is work


@dataclass
class ActscopeSweeperConf:
    _target_: str = "hydra_plugins.actscope_launcher.launcher.ActscopeSweeper"
    max_batch_size: int | None = None
    params: dict[str, str] | None = None


ConfigStore.instance().store(
    group="hydra/launcher", name="actscope", node=ActscopeLauncherConf, provider="actscope"
)
ConfigStore.instance().store(
    group="hydra/sweeper", name="actscope", node=ActscopeSweeperConf, provider="actscope"
)


class ActscopeSweeper(BasicSweeper):
    """The basic sweeper, but it leaves the composition of points to the launcher."""

    def sweep(self, arguments: list[str]) -> Any:
        if self.max_batch_size is not None and self.max_batch_size < 1:
            raise HydraException(
                f"hydra.sweeper.max_batch_size={self.max_batch_size}: must be at least 1, or null"
            )
        return super().sweep(arguments)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Do nothing: the launcher composes all points before the first is trained."""


class ActscopeLauncher(BasicLauncher):
    """Runs all jobs of a marked task function at once; other task functions as Hydra does."""

    def __init__(
        self,
        workers: int | None,
        stack_size: int | None,
        scheduler: str | None,
        cluster: Any,
        writers: int | None,
    ) -> None:
        super().__init__()
        settings = OmegaConf.to_container(cluster, resolve=True) if cluster is not None else None
        self.settings = LauncherSettings(workers, stack_size, scheduler, settings, writers)  # type: ignore[arg-type]

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        assert self.config is not None
        assert self.hydra_context is not None
        train_grid: TrainGrid | None = getattr(self.task_function, "train_grid", None)
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        if train_grid is None:
            log.warning(
                "hydra/launcher=actscope: this task function has no train_grid. Its jobs run one "
                "after another."
            )
            return super().launch(job_overrides, initial_job_idx)
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        shared = OmegaConf.masked_copy(self.config, [str(k) for k in self.config if k != "hydra"])
        prepare: Prepare = self.task_function.prepared  # type: ignore[union-attr]
        with prepare(shared, self.settings, len(job_overrides)):
            configs = compose_all(self.hydra_context.config_loader, self.config, job_overrides)
            composed = zip(job_overrides, configs, strict=True)
            jobs = [Job(number, *job) for number, job in enumerate(composed, initial_job_idx)]
            values = train_grid(jobs, folder, self.settings)
        name = self.config.hydra.job.name
        return [
            _job_return(job, value, folder, name) for job, value in zip(jobs, values, strict=True)
        ]


def _job_return(job: Job, value: Any, folder: Path, name: str) -> JobReturn:
    failed = isinstance(value, Exception)
    finished = JobReturn(
        overrides=job.overrides,
        cfg=job.config,
        working_dir=str(folder),
        task_name=name,
        status=JobStatus.FAILED if failed else JobStatus.COMPLETED,
    )
    finished.return_value = value
    return finished
