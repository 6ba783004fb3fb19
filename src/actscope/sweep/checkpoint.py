"""The state of a stack on disk, from which an interrupted training continues."""

import json
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from actscope.engine.images import tensor_sha256
from actscope.errors import first_line
from actscope.sweep.saved_stacks import FORMAT, file_name
from actscope.tracking.signature import sha256_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """The file that keeps the state of one stack during its training.

    `signatures`: of its points, in the order in which `train_stack` gets them.
    """

    folder: Path
    signatures: Sequence[str]
    seconds: float  # at least this long between two saves
    dtype: torch.dtype = torch.float32

    @property
    def path(self) -> Path:
        return self.folder / file_name(self.signatures, str(self.dtype))

    def load(self) -> dict[str, Tensor] | None:
        """The state last saved; None if there is none, or if it is damaged."""
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                # Copied: a tensor of the file may become invalid when the file is closed.
                state = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a dict
            is_valid = (metadata.get("format"), metadata.get("sha256")) == (FORMAT, _sha256(state))
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - a damaged file may raise any error
            self.drop(first_line(error))
            return None
        if not is_valid:
            self.drop("its tensors differ from those saved")
            return None
        return state

    def save(self, state: Mapping[str, Tensor]) -> None:
        """Replace the last state by this one, completely or not at all."""
        metadata = {
            "format": FORMAT,
            "signatures": json.dumps(list(self.signatures)),
            "sha256": _sha256(state),
        }
        try:
            _write(self.path, save(dict(state), metadata))
        except OSError as error:
            # For example on a full disk: the training itself can still finish.
            log.warning("Cannot save a checkpoint: %s", error)

    def drop(self, reason: str) -> None:
        """Remove a checkpoint that cannot be used, with a warning."""
        log.warning("Training starts from the beginning, without %s: %s", self.path, reason)
        self.discard()

    def discard(self) -> None:
        """Remove the checkpoint, and temporary files that killed processes left."""
        try:
            for path in self.folder.glob(f"{self.path.stem}.*"):
                path.unlink(missing_ok=True)
        except OSError as error:  # a file that stays does no harm to the results
            log.warning("Cannot remove checkpoint %s: %s", self.path, error)


def _write(path: Path, content: bytes) -> None:
    # One name a process: Dask may train a stack that it takes for lost a second time, on another
    # host with the same disk.
    temporary = path.with_suffix(f".{socket.gethostname()}-{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # a power cut could leave the new name without its content
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sha256(state: Mapping[str, Tensor]) -> str:
    names = sorted(state)
    return sha256_of([names, tensor_sha256(state[name].numpy() for name in names)])
