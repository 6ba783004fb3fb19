"""Checks whether a Dask worker, which others may have started, can train a sweep's points."""

import asyncio
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import psutil

from actscope import tracking
from actscope.config import Activation, DataSource, Point, Tracking
from actscope.engine.device import CPU
from actscope.errors import ActscopeError, ClusterError
from actscope.network_settings import OwnNetwork
from actscope.tracking import LocalStore, Store
from actscope.tracking.signature import activation_hash, code_hash, model_hash

if TYPE_CHECKING:
    from distributed import Client, Worker


@dataclass(frozen=True)
class WorkerRequirements:
    """What a worker must share with the process that starts the sweep."""

    store: Store
    sources: frozenset[DataSource]
    code: str
    addresses: frozenset[str]  # of the machine that starts the sweep
    device: str
    activations: Mapping[Activation, str]  # and the hash of the user's code of each
    networks: Mapping[OwnNetwork, str]  # likewise

    @classmethod
    def of_this_process(cls, store: Store, points: Collection[Point], device: str) -> Self:
        """What a worker needs to train these points."""
        activations = {point.activation for point in points}
        models = {point.model for point in points}
        return cls(
            store,
            frozenset(point.data for point in points),
            code_hash(),
            local_addresses(),
            device,
            {each: activation_hash(each) for each in activations},
            {each: model_hash(each) for each in models if isinstance(each, OwnNetwork)},
        )


class WorkerRejectedError(ActscopeError):
    """A worker cannot train. The arguments are its address and the problem."""

    def __str__(self) -> str:
        address, problem = self.args
        return f"Worker {address} {problem}"


def local_addresses() -> frozenset[str]:
    """All network addresses of this machine."""
    found = [each.address for own in psutil.net_if_addrs().values() for each in own]
    return frozenset(address.partition("%")[0] for address in found)


def is_local(store: Store) -> bool:
    """Whether the store's URI is valid on this machine only."""
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
    """Raise ClusterError if other machines cannot reach the store; `who` begins the message."""
    if is_local(store):
        raise ClusterError(f"{who} {_cannot_reach(store)}")


def _cannot_reach(store: Store) -> str:
    return (
        f"cannot reach tracking store {store}, which is on this machine only. Use a tracking "
        "server with an address that all hosts reach (tracking=server, docs/server.md)."
    )


def check_workers(
    client: "Client", requirements: WorkerRequirements, workers: Iterable[str]
) -> None:
    """Raise ClusterError for the first of these workers that cannot train."""
    answers = client.run(_check, requirements, workers=list(workers), on_error="return")
    for address, answer in sorted(answers.items()):
        if isinstance(answer, OSError) and not isinstance(answer, ActscopeError):
            continue  # the worker has left meanwhile
        problem = _cannot_run(answer) if isinstance(answer, Exception) else answer
        if problem is not None:
            raise ClusterError(str(WorkerRejectedError(address, problem)))


def _cannot_run(error: Exception) -> str:
    return f"cannot run this actscope ({error}). Install the same version on all hosts."


async def _check(requirements: WorkerRequirements, dask_worker: "Worker") -> str | None:
    """Run `check_worker` in a thread while the worker trains; also check the store."""
    return await asyncio.to_thread(check_worker, requirements, dask_worker, with_store=True)


def check_worker(
    requirements: WorkerRequirements, worker: Any, *, with_store: bool = False
) -> str | None:
    """Why this worker cannot train, as the rest of a sentence; None if it can."""
    import torch  # it is slow to import

    from actscope.engine.data import load_data

    host = f"(host {socket.gethostname()})"
    threads = worker.state.nthreads
    if threads != 1:
        return f"{host} has {threads} threads. Start one worker a core, each with --nthreads 1."
    if code_hash() != requirements.code:
        return f"{host} has different training code. Install the same version of actscope there."
    if requirements.device != CPU and not torch.cuda.is_available():
        return f"{host} has no GPU. Use device=cpu, or start workers on hosts with GPUs."
    is_remote = urlsplit(worker.address).hostname not in requirements.addresses
    if is_remote and is_local(requirements.store):
        return f"{host} {_cannot_reach(requirements.store)}"
    try:
        if path := _different_code(requirements):
            return f"{host} has different code of {path}. Copy this machine's code there."
        if is_remote and with_store:
            tracking.open_store(Tracking(requirements.store.uri))
        for source in requirements.sources:
            load_data(source)
    except ActscopeError as error:
        return f"{host} fails: {error}"
    return None


def _different_code(requirements: WorkerRequirements) -> str | None:
    """Import path of a class whose code is another one here; None if there is none."""
    for activation, code in requirements.activations.items():
        if activation_hash(activation) != code:
            return activation.function
    for network, code in requirements.networks.items():
        if model_hash(network) != code:
            return network.path
    return None
