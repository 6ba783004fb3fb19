"""Who does the work of a report: this process alone, or several beside it."""

import multiprocessing
import os
import signal
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

KEYS_AT_ONCE = 8  # that a process is given: of small ones; else it would wait too often

Key = TypeVar("Key")
Content = TypeVar("Content")


@dataclass(frozen=True)
class Crew:
    """Does pieces of work and gives what comes of them in their order.

    `processes`: as many as `pool` has, which is None where this process does it all.
    """

    processes: int = 1
    pool: Executor | None = None

    def read(
        self,
        store: Store,
        read: Callable[[Key], Content],
        keys: Sequence[Key],
        at_once: int = KEYS_AT_ONCE,
    ) -> Iterator[Content]:
        """As Store.read_in_order does; the readers of a server are shared among the processes.

        With a pool `read`, the keys, `at_once` of them to a process, and what is read travel from
        process to process.
        """
        if self.pool is None:
            return store.read_in_order(read, keys)
        some = [keys[at : at + at_once] for at in range(0, len(keys), at_once)]
        readers = max(1, READERS // self.processes)
        return chain.from_iterable(self.pool.map(partial(_read_some, store, read, readers), some))

    def begin(self, work: Callable[[Key], Content], key: Key) -> Callable[[], Content]:
        """Have a piece of work done; what is given back waits for what comes of it."""
        return partial(work, key) if self.pool is None else self.pool.submit(work, key).result


@contextmanager
def hired(processes: int, store: Store) -> Iterator[Crew]:
    """A crew of so many processes, which are gone when the context ends, however it does.

    They are forked from the forkserver, if it runs, and begin at once. A server is asked by at most
    READERS of them.

    Raises:
        ReportError: one of them was ended from outside.

    """
    if isinstance(store, ServerStore):
        processes = min(processes, READERS)
    if processes == 1:
        yield Crew()
        return
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(processes, context, _begin)
    with _Interrupt(set(multiprocessing.active_children())) as interrupt:
        try:
            yield Crew(processes, pool)
        except BrokenProcessPool as error:
            interrupt.check()
            raise ReportError(
                "a process that read or drew for the report was ended from outside, perhaps for "
                "want of memory: report.processes=1 needs least of it"
            ) from error
        except BaseException:
            interrupt.end_helpers()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        interrupt.check()


class _Interrupt:
    """Ctrl-C as long as the context lasts: the helpers end, and whoever waits for them hears of it.

    Raised where it happens to come, KeyboardInterrupt is lost if that is in a finalizer, and numpy,
    pandas and matplotlib have many. A second Ctrl-C does raise it there.
    """

    def __init__(self, others: set[BaseProcess]) -> None:
        self.others = others  # who are no helpers
        self.came = False

    def __enter__(self) -> Self:
        self.before = signal.getsignal(signal.SIGINT)
        if signals.ends_process(signal.SIGINT):  # else whoever began this is deaf to Ctrl-C
            signal.signal(signal.SIGINT, self._heed)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def check(self) -> None:
        if self.came:
            raise KeyboardInterrupt

    def end_helpers(self) -> None:
        for process in set(multiprocessing.active_children()) - self.others:
            process.kill()

    def _heed(self, *_: object) -> None:
        self.came = True
        signal.signal(signal.SIGINT, self.before)
        self.end_helpers()


def _read_some(
    store: Store, read: Callable[[Key], Content], readers: int, keys: Sequence[Key]
) -> list[Content]:
    return list(store.read_in_order(read, keys, readers))


def _begin() -> None:
    """In each process: Ctrl-C is for the one that it works for, and without that it has no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
