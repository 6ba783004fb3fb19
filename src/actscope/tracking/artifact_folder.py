"""All artifacts of a run, on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from actscope.tracking.store import Store


@contextmanager
def artifact_folder(store: Store, study: str, run_id: str) -> Iterator[Path]:
    """A run's artifacts on this machine; a server's are deleted at the end of the context."""
    with TemporaryDirectory(prefix="actscope-") as scratch:
        yield store.artifact_folder(study, run_id, Path(scratch))
