"""Bring runs that wait for their store into it: `python -m actscope sync`."""

import sys
from collections.abc import Sequence

from pydantic.dataclasses import dataclass

from actscope import tracking
from actscope.command_line.settings import run_command
from actscope.config import CLOSED, Tracking
from actscope.errors import StoreError
from actscope.runtime.progress import LateProgress

HELP = """\
Bring runs that wait for their store into it.

Where a store cannot be reached, or refuses a run, the run is kept as files in mlruns/spool/ of the
project, or beside the store's own database. This brings such runs into the store, each once. What
a store still refuses stays there, and the reason is told: a study that was deleted is restored by
`make doctor`.

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
    """Do what the command line asks; the exit code."""
    return run_command("sync", HELP, Settings, sync, words)


def sync(settings: Settings) -> int:
    """Deliver what waits for a store and tell how many runs that were.

    Raises:
        StoreError: the store is still away, or some of the runs cannot be delivered.

    """
    store = tracking.locate_store(settings.tracking)
    folder = tracking.queue_folder(store)
    contents = tracking.read_queue(store, folder)
    waiting = len(contents.waiting)
    if not waiting and not contents.damaged:
        sys.stdout.write(f"nothing to deliver: no run waits in {folder} for the store {store}\n")
        return 0
    try:
        tracking.open_store(settings.tracking)
    except StoreError as error:
        raise StoreError(f"{error}; {waiting} runs wait in {folder}") from error
    with LateProgress("delivering", waiting) as progress:
        names = tracking.deliver_queued(store, folder, progress.advance)
    sys.stdout.writelines(f"{name}\n" for name in names)
    sys.stdout.write(f"{len(names)} runs delivered to the store {store}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
