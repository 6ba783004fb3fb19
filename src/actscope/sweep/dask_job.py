"""What a sweep sends to a worker of a Dask cluster."""

from dataclasses import dataclass

from actscope.sweep.task import Task
from actscope.sweep.worker_checks import WorkerRequirements

PROGRESS, WARNING = "progress", "warning"  # kinds of events that workers send


@dataclass(frozen=True)
class StackJob:
    """A stack for a worker, and the topic to which the worker sends its events."""

    number: int
    task: Task
    topic: str
    requirements: WorkerRequirements | None  # None: the worker is a process of this machine
    has_writers: bool
