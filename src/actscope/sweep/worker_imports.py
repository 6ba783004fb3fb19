"""Starts the process that imports what workers on this machine need."""

from contextlib import AbstractContextManager, nullcontext

from actscope.config import SweepRules, Tracking
from actscope.runtime import forkserver
from actscope.sweep.launcher_settings import LauncherSettings
from actscope.tracking.location import LocalLocation, find_location
from actscope.tracking.sqlite import count_finished

MODULES = [
    "actscope.sweep.dask_executor",
    "actscope.sweep.dask_worker",
    "distributed.nanny",
    "actscope.tracking.run_writer",  # else a worker imports it when it tracks its first run
]
MLFLOWS_CLIENT = ["actscope.tracking.client_rows", "mlflow"]  # a local store needs neither


def preloaded(
    launcher: LauncherSettings, rules: SweepRules, settings: Tracking, study: str, points: int
) -> AbstractContextManager[None]:
    """Import what workers on this machine need, if there will be any, until the block exits.

    If the study has as many finished runs as the grid has `points`, there is probably nothing to
    train. Then the imports wait for the first worker.
    """
    is_remote = launcher.scheduler is not None or launcher.cluster is not None
    if launcher.workers == 0 or is_remote or rules.dry_run:
        return nullcontext()
    needs_mlflow, finished = settings.model, 0
    if isinstance(location := find_location(settings), LocalLocation):
        finished = count_finished(location.database, study)
    else:
        needs_mlflow = True
    modules = [*MODULES, *(MLFLOWS_CLIENT if needs_mlflow else ())]
    return forkserver.running(modules, at_once=rules.force or finished < points)
