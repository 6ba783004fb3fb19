"""Whether a Dask worker, which somebody else may have started, can train what a sweep has to."""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import psutil
import torch

from actscope import tracking
from actscope.config import Activation, DataSource, Tracking
from actscope.engine.data import load_data
from actscope.engine.device import CPU
from actscope.errors import ActscopeError, ClusterError
from actscope.tracking import LocalStore, Store
from actscope.tracking.signature import activation_hash, code_hash

if TYPE_CHECKING:
    from distributed import Client, Worker


@dataclass(frozen=True)
class Terms:
    """What a worker must have in common with the process that a sweep is begun in."""

    store: Store
    sources: frozenset[DataSource]
    code: str
    addresses: frozenset[str]  # of that process's machine
    device: torch.device
    activations: Mapping[Activation, str]  # with the hash of what a user has written of each

    @classmethod
    def of_here(
        cls,
        store: Store,
        sources: Iterable[DataSource],
        device: torch.device,
        activations: Iterable[Activation] = (),
    ) -> Self:
        codes = {activation: activation_hash(activation) for activation in set(activations)}
        return cls(store, frozenset(sources), code_hash(), own_addresses(), device, codes)


class UnfitError(ActscopeError):
    """A worker cannot train: its address, and why."""

    def __str__(self) -> str:
        address, fault = self.args
        return f"worker {address} {fault}"


def own_addresses() -> frozenset[str]:
    """All network addresses of this machine."""
    found = [each.address for own in psutil.net_if_addrs().values() for each in own]
    return frozenset(address.partition("%")[0] for address in found)


def is_of_one_machine(store: Store) -> bool:
    """Whether only the machine that names a store so can reach it."""
    if isinstance(store, LocalStore):
        return True
    host = urlsplit(store.uri).hostname
    if host is None or host == "localhost":  # None: a database behind a Unix socket
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def check_reachable(store: Store, who: str) -> None:
    """Raise ClusterError for a store that no other machine can reach."""
    if is_of_one_machine(store):
        raise ClusterError(f"{who} {_cannot_reach(store)}")


def _cannot_reach(store: Store) -> str:
    return (
        f"cannot reach the store {store}, which is of this machine only: give a tracking server "
        "by an address that all hosts reach (tracking=server, docs/server.md)"
    )


def check_workers(client: "Client", terms: Terms, workers: Iterable[str]) -> None:
    """Raise ClusterError for the first of these workers that cannot train."""
    answers = client.run(_look, terms, workers=list(workers), on_error="return")
    for address, answer in sorted(answers.items()):
        if isinstance(answer, OSError) and not isinstance(answer, ActscopeError):
            continue  # it went away meanwhile
        fault = _cannot_run(answer) if isinstance(answer, Exception) else answer
        if fault is not None:
            raise ClusterError(str(UnfitError(address, fault)))


def _cannot_run(error: Exception) -> str:
    return f"cannot run this actscope ({error}): install the same version on all hosts"


async def _look(terms: Terms, dask_worker: "Worker") -> str | None:
    """`find_fault` beside what the worker is at, with the store, which takes longer to ask."""
    return await asyncio.to_thread(find_fault, terms, dask_worker, asks_store=True)


def find_fault(terms: Terms, worker: Any, *, asks_store: bool = False) -> str | None:
    """Why this worker cannot train, beginning with a verb; None if it can."""
    where = f"(host {socket.gethostname()})"
    threads = worker.state.nthreads
    if threads != 1:
        return f"{where} has {threads} threads: start workers with --nthreads 1, as many as cores"
    if code_hash() != terms.code:
        return f"{where} has other training code: install the same version of actscope there"
    if terms.device != CPU and not torch.cuda.is_available():
        return f"{where} sees no GPU: give device=cpu, or start workers where there are cards"
    is_far = urlsplit(worker.address).hostname not in terms.addresses
    if is_far and is_of_one_machine(terms.store):
        return f"{where} {_cannot_reach(terms.store)}"
    try:
        for activation, code in terms.activations.items():
            if activation_hash(activation) != code:
                return f"{where} has other code of {activation.function}: copy the same there"
        if is_far and asks_store:
            tracking.open_store(Tracking(terms.store.uri))
        for source in terms.sources:
            load_data(source)
    except ActscopeError as error:
        return f"{where} fails: {error}"
    return None
