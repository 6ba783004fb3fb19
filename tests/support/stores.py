"""Stores by their URI."""

from actscope.config import Tracking
from actscope.tracking import Store, locate_store


def store_at(uri: str) -> Store:
    """The store at a URI; nothing is read or written."""
    return locate_store(Tracking(uri))
