"""Deliver runs that wait for their store: `python -m actscope sync`."""

import sys
from collections.abc import Sequence

from pydantic.dataclasses import dataclass

from actscope import tracking
from actscope.command_line.settings import run_command
from actscope.config import CLOSED, Tracking
from actscope.errors import StoreError
from actscope.runtime.progress import LateProgress
from actscope.tracking import offline_queue

HELP = """\
Deliver runs that wait for their store.

If a store is unreachable or refuses a run, the run waits as files in an offline queue. The queue
is the folder spool/ next to the store's database, or mlruns/spool/ of the project for a server.
This command delivers each run once. A run that the store still refuses stays in the queue, and the
reason is printed. If its study was deleted, `make doctor` restores the study.

examples:
  python -m actscope sync
  python -m actscope sync tracking.uri=http://127.0.0.1:5000

settings:
  tracking.uri=URI     the store (mlruns/mlflow.db of the project, or MLFLOW_TRACKING_URI)
"""


@dataclass(frozen=True, config=CLOSED)
class Settings:
    tracking: Tracking


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_command("sync", HELP, Settings, sync, words)


def sync(settings: Settings) -> int:
    """Deliver the queued runs of a store and print their names.

    Raises:
        StoreError: the store is still unreachable, or some runs cannot be delivered.

    """
    store = tracking.locate_store(settings.tracking)
    folder = offline_queue.queue_folder(store)
    queue = offline_queue.read_queue(store)
    waiting = len(queue.waiting)
    if not waiting and not queue.damaged:
        sys.stdout.write(f"nothing to deliver: no run waits in {folder} for the store {store}\n")
        return 0
    try:
        tracking.open_store(settings.tracking)
    except StoreError as error:
        raise StoreError(f"{error} {waiting} runs wait in {folder}.") from error
    with LateProgress("delivering", waiting) as progress:
        names = offline_queue.deliver_queued(store, progress.advance)
    sys.stdout.writelines(f"{name}\n" for name in names)
    sys.stdout.write(f"{len(names)} runs delivered to the store {store}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
