"""Heartbeats: whether the process that opened a run is alive, on this or another machine."""

import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil

from actscope.errors import StoreError
from actscope.tracking.errors import store_errors
from actscope.tracking.store import Store

SECONDS_BETWEEN_BEATS = 30.0
WHOLE_NUMBER = re.compile(r"[0-9]{1,15}")
SECONDS_TILL_DEAD = 300.0  # without a heartbeat; the clocks of two machines may differ by less


def signs_of_life() -> dict[str, str]:
    """Tags of a run: its process, and the time of the last heartbeat."""
    process = psutil.Process()
    return {
        "actscope.host": socket.gethostname(),
        "actscope.process": f"{process.pid} {process.create_time():.2f}",
        "actscope.heartbeat": str(int(time.time())),
    }


def is_alive(tags: Mapping[str, str]) -> bool:
    """Whether the process that `signs_of_life` names is alive; tags without `actscope.`.

    On the same machine the process itself is checked, on others the age of its last heartbeat.
    """
    if tags.get("host") == socket.gethostname():
        pid, _, created = tags.get("process", "").partition(" ")
        try:
            return f"{psutil.Process(int(pid)).create_time():.2f}" == created
        except (psutil.NoSuchProcess, ValueError):
            return False
    # A heartbeat in the future is not a sign of life: somebody has edited it.
    return abs(time.time() - number_in(tags.get("heartbeat", ""))) < SECONDS_TILL_DEAD


def number_in(tag: str) -> int:
    """The whole number in a tag; 0 where somebody has edited it."""
    return int(tag) if WHOLE_NUMBER.fullmatch(tag) else 0


@contextmanager
def heartbeat_running(
    store: Store, run_id: str | None, seconds: float = SECONDS_BETWEEN_BEATS
) -> Iterator[None]:
    """Renew the heartbeat tag of a run from a thread; without a run, do nothing."""
    ended = threading.Event()

    def beat(run_id: str) -> None:
        while not ended.wait(seconds):
            try:
                with store_errors(store.location):
                    store.rows.set_tags(run_id, {"actscope.heartbeat": str(int(time.time()))})
            except StoreError:  # the next heartbeat may reach the store again
                continue

    if run_id is None:
        yield
        return
    thread = threading.Thread(target=beat, args=[run_id], name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
