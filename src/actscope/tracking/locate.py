"""Find the store that the settings name, and open it."""

from actscope.config import Tracking
from actscope.tracking.errors import store_errors
from actscope.tracking.local_store import LocalStore
from actscope.tracking.location import LocalLocation, find_location
from actscope.tracking.server_store import ServerStore
from actscope.tracking.store import Store


def locate_store(tracking: Tracking) -> Store:
    """The store that the settings name, or the project's own; nothing is read or written.

    Raises:
        StoreError: MLflow cannot write to that kind of store, or the URI is ambiguous.

    """
    location = find_location(tracking)
    if isinstance(location, LocalLocation):
        return LocalStore(location)
    return ServerStore(location)


def open_store(tracking: Tracking, *, to_write: bool = True) -> Store:
    """Find the store, and make a local one that is missing; safe from many processes at once.

    Raises:
        StoreError: it cannot be made or opened, or it is read-only and `to_write`.

    """
    store = locate_store(tracking)
    with store_errors(store.location):
        store.prepare(to_write=to_write)
    return store
