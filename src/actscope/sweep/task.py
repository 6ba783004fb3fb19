"""A stack as the work of a worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from actscope.engine.device import CPU
from actscope.engine.images import describe_data
from actscope.sweep.stacks import Stack
from actscope.tracking import Store, Sweep
from actscope.tracking.signature import signature_of


@dataclass(frozen=True)
class Task:
    """A stack to train, the store and sweep of its runs, its device and its checkpoint interval.

    `may_be_reassigned`: whether another worker may get the stack while this one still trains it.
    """

    stack: Stack
    store: Store
    sweep: Sweep
    checkpoint_minutes: float | None = None
    may_be_reassigned: bool = False
    device: str = CPU

    @cached_property
    def id(self) -> str:
        """An id that depends on the points only."""
        return sha256("\n".join(self.signatures).encode()).hexdigest()[:16]

    @cached_property
    def signatures(self) -> Sequence[str]:
        data = describe_data(self.stack[0].data)
        return [signature_of(point, data).whole for point in self.stack]
