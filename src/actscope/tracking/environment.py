"""Log the environment of a sweep: packages and uncommitted changes, as files of its run."""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from actscope.artifacts.environment import gather
from actscope.errors import StoreError, first_line
from actscope.tracking.store import Store

log = logging.getLogger(__name__)


@contextmanager
def environment_logged(store: Store, study: str, run_id: str, *, patch: bool) -> Iterator[None]:
    """Log packages and, with `patch`, uncommitted changes to a run, in a thread."""

    def log_all() -> None:
        log_files(store, study, run_id, gather(patch=patch))

    with ThreadPoolExecutor(1) as thread:
        logging_files = thread.submit(log_all)
        yield
        logging_files.result()


def log_files(store: Store, study: str, run_id: str, files: Mapping[str, bytes]) -> None:
    """Log files to a run; a refusal of the store is logged and stops nothing."""
    try:
        store.put_files(study, run_id, files)
    except StoreError as error:
        names = " and ".join(files)
        log.warning("%s: not logged to run %s: %s", names, run_id, first_line(error))
