"""Deliver runs that wait for their store: `python -m actscope sync`."""

import sys

from actscope import tracking
from actscope.commands.settings import StoreSettings
from actscope.errors import StoreError
from actscope.runtime.progress import LateProgress
from actscope.tracking import offline_queue


def run(settings: StoreSettings) -> int:
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
