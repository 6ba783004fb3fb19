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


def copy_state(state: Mapping[str, Tensor], own: Mapping[str, Tensor], whose: str) -> None:
    """Copy a saved state into an object's own tensors, in place, as others refer to them.

    Raises:
        ValueError: the names or shapes are not those of `own`; nothing was changed.

    """
    shapes = {name: value.shape for name, value in own.items()}
    if {name: value.shape for name, value in state.items()} != shapes:
        raise ValueError(f"the tensors of another {whose}")
    for name, value in own.items():
        value.copy_(state[name])


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state with `prefix/` before each name."""
    return {f"{prefix}/{name}": value for name, value in state.items()}


def without_prefix(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with this prefix, by their names without it; the inverse of `prefixed`."""
    start = f"{prefix}/"
    return {name[len(start) :]: state[name] for name in state if name.startswith(start)}
