"""The processes that build a report: this process alone, or a pool of workers."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing.process import BaseProcess
from typing import Self, TypeVar

from actscope.errors import ReportError
from actscope.runtime import signals
from actscope.tracking import ServerStore, Store
from actscope.tracking.store import READERS

KEYS_AT_ONCE = 8  # small tasks go to a worker in batches: one by one it would wait too often
# Elsewhere libraries of the system do not survive a fork.
START_METHOD = "fork" if sys.platform == "linux" else "spawn"

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class WorkerPool:
    """Runs tasks in `processes` processes; in this one where `executor` is None."""

    processes: int = 1
    executor: Executor | None = None

    def read(
        self,
        store: Store,
        read: Callable[[T], R],
        keys: Sequence[T],
        at_once: int = KEYS_AT_ONCE,
    ) -> Iterator[R]:
        """`read` of each key, in order, as Store.read_in_order; workers share its readers.

        With workers, `read`, the keys and the results must be picklable. A worker gets `at_once`
        keys at a time.
        """
        if self.executor is None:
            return store.read_in_order(read, keys)
        batches = [keys[at : at + at_once] for at in range(0, len(keys), at_once)]
        readers = max(1, READERS // self.processes)
        results = self.executor.map(partial(_read_batch, store, read, readers), batches)
        return chain.from_iterable(results)

    def begin(self, task: Callable[[T], R], argument: T) -> Callable[[], R]:
        """Start a task; the returned call waits for its result."""
        if self.executor is None:
            return partial(task, argument)
        return self.executor.submit(task, argument).result


@contextmanager
def worker_pool(processes: int, store: Store) -> Iterator[WorkerPool]:
    """A pool of workers, which end when the context ends.

    On Linux they are forked from this process when the first task begins, so they start at once,
    with its imports. At most READERS of them read from a server.

    Raises:
        ReportError: a worker was killed.

    """
    if isinstance(store, ServerStore):
        processes = min(processes, READERS)
    if processes == 1:
        yield WorkerPool()
        return
    context = multiprocessing.get_context(START_METHOD)
    executor = ProcessPoolExecutor(processes, context, _start_worker)
    with _Interrupt(set(multiprocessing.active_children())) as interrupt:
        try:
            yield WorkerPool(processes, executor)
        except BrokenProcessPool as error:
            interrupt.check()
            raise ReportError(
                "A report worker was killed, possibly out of memory. Try report.processes=1."
            ) from error
        except BaseException:
            interrupt.kill_workers()
            raise
        finally:
            executor.shutdown(cancel_futures=True)
        interrupt.check()


class _Interrupt:
    """On Ctrl-C, kill the workers; `check` then raises KeyboardInterrupt.

    KeyboardInterrupt is lost if it is raised in a finalizer, and numpy, pandas and matplotlib have
    many. So the first Ctrl-C is only noted. A second one is raised at once.
    """

    def __init__(self, others: set[BaseProcess]) -> None:
        self.others = others  # children that are not workers of the pool
        self.came = False

    def __enter__(self) -> Self:
        self.before = signal.getsignal(signal.SIGINT)
        if signals.ends_process(signal.SIGINT):  # a background job of a script ignores Ctrl-C
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def check(self) -> None:
        if self.came:
            raise KeyboardInterrupt

    def kill_workers(self) -> None:
        for process in set(multiprocessing.active_children()) - self.others:
            process.kill()

    def _note(self, *_: object) -> None:
        self.came = True
        signal.signal(signal.SIGINT, self.before)
        self.kill_workers()


def _read_batch(store: Store, read: Callable[[T], R], readers: int, keys: Sequence[T]) -> list[R]:
    return list(store.read_in_order(read, keys, readers))


def _start_worker() -> None:
    """Ignore Ctrl-C, which the parent handles, and end when the parent ends."""
    # A fork has the handlers of its parent. Under nohup that ignores SIGHUP, and so must a worker.
    for number in filter(signals.ends_process, signals.SIGNALS):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
