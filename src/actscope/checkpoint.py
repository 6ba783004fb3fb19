"""The state of a stack on disk, so that an interrupted training goes on where it stood."""

import json
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from actscope.data import tensor_sha256
from actscope.signature import sha256_of

FORMAT = "1"  # of the file: a change of what is in a state shows in the points' signatures
SUFFIX = ".safetensors"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """Where the state of one stack is kept while it is trained.

    `signatures`: of its points, in the order in which `train_stack` is given them.
    """

    folder: Path
    signatures: Sequence[str]
    seconds: float  # at least so many between two saves
    dtype: torch.dtype = torch.float32

    @property
    def key(self) -> str:
        return sha256_of([str(self.dtype), *self.signatures])

    @property
    def path(self) -> Path:
        return self.folder / f"{self.key}{SUFFIX}"

    def load(self) -> dict[str, Tensor] | None:
        """The state last saved; None where there is none, or none that is whole."""
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                # Copied: a tensor of the file's own would not outlive it everywhere.
                state = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - it is no dict
        except FileNotFoundError:
            return None
        except SafetensorError as error:  # not such a file, or not all of it
            self.drop(str(error))
            return None
        if (metadata.get("format"), metadata.get("sha256")) != (FORMAT, _sha256(state)):
            self.drop("its tensors are not those that were saved")
            return None
        return state

    def save(self, state: Mapping[str, Tensor]) -> None:
        """Put a state in the place of the last one, all at once or, where it fails, not at all."""
        metadata = {
            "format": FORMAT,
            "signatures": json.dumps(list(self.signatures)),
            "sha256": _sha256(state),
        }
        try:
            _write(self.path, save(dict(state), metadata))
        except OSError as error:
            # As on a full disk: the training itself is not harmed, and may well come to its end.
            log.warning("No checkpoint is saved: %s", error)

    def drop(self, reason: str) -> None:
        """Discard a checkpoint that is of no use, and say so."""
        log.warning("Training starts anew, without checkpoint %s: %s", self.path, reason)
        self.discard()

    def discard(self) -> None:
        """Remove the checkpoint, and what killed processes may have left of it."""
        for path in self.folder.glob(f"{self.key}.*"):
            path.unlink(missing_ok=True)


def waiting(folder: Path) -> list[list[str]]:
    """The signatures of each stack that has a checkpoint in the folder, as its header tells."""
    stacks = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
            if metadata.get("format") == FORMAT:
                stacks.append(json.loads(metadata["signatures"]))
        except FileNotFoundError:  # discarded since it was listed
            continue
        except (SafetensorError, KeyError, ValueError) as error:  # each a way to be damaged
            log.warning("Checkpoint %s cannot be read: %s", path, error)
    return stacks


def _write(path: Path, content: bytes) -> None:
    # A name a process, as Dask may have a stack that it thinks lost trained a second time, on
    # another host of the same disk.
    temporary = path.with_suffix(f".{socket.gethostname()}-{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the new name without the content
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sha256(state: Mapping[str, Tensor]) -> str:
    names = sorted(state)
    return sha256_of([names, tensor_sha256(state[name].numpy() for name in names)])
