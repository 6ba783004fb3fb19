"""Ports that are free, and servers of ours that answer or not."""

import socket
import urllib.request
from functools import partial

from tests.support.waiting import wait_for


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own server
        content: bytes = answer.read()
    return content


def is_up(address: str) -> bool:
    """Whether a tracking server answers."""
    try:
        urllib.request.urlopen(f"{address}/health", timeout=2).close()  # noqa: S310 - our own server
    except OSError:
        return False
    return True


def wait_until_up(address: str) -> None:
    wait_for(partial(is_up, address), 120)
