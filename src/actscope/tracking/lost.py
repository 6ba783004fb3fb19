"""Runs whose worker is gone, or given up: closed once, and no point finished twice by a sweep."""

from collections.abc import Sequence

from actscope.command_line import suggestions
from actscope.errors import StoreError
from actscope.tracking.errors import is_already_there
from actscope.tracking.offline_queue import best_effort
from actscope.tracking.run_index import Attempt
from actscope.tracking.store import Store

LOST = "its worker was lost, or its sweep interrupted"
SECOND = "another worker of its sweep, which had been given the point as well, finished it first"


def is_open(store: Store, run_id: str | None) -> bool:
    """Whether a run is still this worker's to finish; True where the store does not answer."""
    status = "RUNNING"
    if run_id is not None:
        with best_effort(store, f"run {run_id} is taken to be open"):
            status = store.client.get_run(run_id).info.status
    return status == "RUNNING"


def close_as_lost(store: Store, run_id: str | None) -> None:
    """Close a run as KILLED, unless that was done or it was finished."""
    if run_id is not None and is_open(store, run_id):
        doctor = suggestions.command("doctor", store=store)
        with best_effort(store, f"run {run_id} stays open until `{doctor}` closes it"):
            close(store, run_id, LOST)


def close_second_ones(store: Store, attempts: Sequence[Attempt]) -> None:
    """Of runs of one sweep, oldest first: take back those whose point has a finished run already.

    A worker that was cut off may finish a run although another has been given its point since.
    """
    finished: set[str] = set()
    for attempt in attempts:
        if attempt.is_finished and not attempt.is_sweep:
            if attempt.signature.whole in finished:
                close(store, attempt.run_id, SECOND)
            finished.add(attempt.signature.whole)


def close(store: Store, run_id: str, reason: str) -> None:
    """Close a run as KILLED; two processes may do so at once, and one of them gives the reason."""
    try:
        store.client.set_tag(run_id, "actscope.reason", reason)
    except StoreError as error:
        if not is_already_there(error):
            raise
    store.client.set_terminated(run_id, "KILLED")
