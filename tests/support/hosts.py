"""Hosts that are network namespaces of this machine, each with its own address on a bridge."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

BRIDGE = "actscope0"
NETWORK = "10.213.77"


class Hosts:
    """The bridge has address .1, which is this machine's; hosts have .2 and so on, by name."""

    gateway = f"{NETWORK}.1"

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def start(self) -> None:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{self.gateway}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, name in enumerate(self.names, 2):
            inside, outside = f"{name}-in", outside_of(name)
            ip("netns", "add", name)
            ip("link", "add", outside, "type", "veth", "peer", "name", inside)
            ip("link", "set", inside, "netns", name)
            ip("link", "set", outside, "master", BRIDGE, "up")
            for words in (
                ("addr", "add", f"{NETWORK}.{number}/24", "dev", inside),
                ("link", "set", inside, "up"),
                ("link", "set", "lo", "up"),
            ):
                ip("-n", name, *words)

    def stop(self) -> None:
        """Whatever of it there is."""
        for name in self.names:
            ip("netns", "del", name, check=False)
            ip("link", "del", outside_of(name), check=False)
        ip("link", "del", BRIDGE, check=False)

    @staticmethod
    def inside(name: str) -> list[str]:
        """Words before a command, that has it run on a host."""
        return ["ip", "netns", "exec", name]

    @staticmethod
    def cut_off(name: str) -> None:
        ip("link", "set", outside_of(name), "down")

    @staticmethod
    def connect(name: str) -> None:
        ip("link", "set", outside_of(name), "up")


def outside_of(name: str) -> str:
    return f"{name}-out"


def ip(*words: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr


@contextmanager
def hosts(*names: str) -> Iterator[Hosts]:
    """Hosts that can reach one another; skips where they cannot be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and Debian's iproute2: makes network namespaces")
    made = Hosts(list(names))
    made.stop()  # what a killed test has left
    try:
        made.start()
        yield made
    finally:
        made.stop()
