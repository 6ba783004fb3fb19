"""The state of a training as named tensors, and the protocol of the checkpoint that keeps it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor


class Checkpoint(Protocol):
    """Keeps the state of a stack; sweep.checkpoint implements it."""

    @property
    def signatures(self) -> Sequence[str]: ...

    @property
    def seconds(self) -> float: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def load(self) -> dict[str, Tensor] | None: ...

    def save(self, state: Mapping[str, Tensor]) -> None: ...

    def drop(self, reason: str) -> None: ...


class Resumable(Protocol):
    """Something whose state can be saved to tensors and loaded from them."""

    def state(self) -> dict[str, Tensor]: ...

    def load_state(self, state: Mapping[str, Tensor]) -> None: ...


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state with `prefix/` before each name."""
    return {f"{prefix}/{name}": value for name, value in state.items()}


def without_prefix(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with this prefix, by their names without it; the inverse of `prefixed`."""
    start = f"{prefix}/"
    return {name[len(start) :]: state[name] for name in state if name.startswith(start)}
