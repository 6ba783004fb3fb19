"""The state of a stack on disk, so that an interrupted training goes on where it stood."""

import json
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from actscope.engine.data import tensor_sha256
from actscope.errors import first_line
from actscope.tracking import Store
from actscope.tracking.signature import sha256_of

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
            is_whole = (metadata.get("format"), metadata.get("sha256")) == (FORMAT, _sha256(state))
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - a file that was changed may fail in any way
            self.drop(first_line(error))
            return None
        if not is_whole:
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
        log.warning("Training starts from the beginning, without %s: %s", self.path, reason)
        self.discard()

    def discard(self) -> None:
        """Remove the checkpoint, and what killed processes may have left of it."""
        try:
            for path in self.folder.glob(f"{self.key}.*"):
                path.unlink(missing_ok=True)
        except OSError as error:  # what was trained is not harmed by a file that stays
            log.warning("Checkpoint %s cannot be removed: %s", self.path, error)


@dataclass(frozen=True)
class Saved:
    """What lies in a folder of checkpoints, by its path.

    `stacks`: the signatures of each stack. `damaged`: why others cannot be read.
    """

    stacks: Mapping[Path, list[str]]
    damaged: Mapping[Path, str]


def waiting(folder: Path, doctor: str = "make doctor") -> list[list[str]]:
    """The signatures of each stack with a checkpoint in the folder; warns of damaged ones.

    `doctor`: the command that deletes these.
    """
    saved = look_into(folder)
    for path, reason in saved.damaged.items():
        log.warning("Checkpoint %s cannot be read (`%s` deletes it): %s", path, doctor, reason)
    return list(saved.stacks.values())


def look_into(folder: Path) -> Saved:
    """What checkpoints there are, as their headers tell."""
    stacks: dict[Path, list[str]] = {}
    damaged: dict[Path, str] = {}
    for path in filter(Path.is_file, sorted(folder.glob(f"*{SUFFIX}"))):
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
            if metadata.get("format") == FORMAT:
                stacks[path] = _signatures_in(path, metadata)
        except FileNotFoundError:  # discarded since it was listed
            continue
        except Exception as error:  # noqa: BLE001 - a file that was changed may fail in any way
            damaged[path] = first_line(error)
    return Saved(stacks, damaged)


def _signatures_in(path: Path, metadata: Mapping[str, str]) -> list[str]:
    """The signatures that a header names, if they are those by which the file has its name."""
    signatures = TypeAdapter(list[str]).validate_json(metadata["signatures"])
    if not signatures or len(set(signatures)) < len(signatures):
        raise ValueError("its signatures are not those of a stack")
    if Checkpoint(path.parent, signatures, seconds=0).path != path:
        raise ValueError("it is not the checkpoint of the points that it names")
    return signatures


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


def checkpoint_folder(store: Store, study: str) -> Path:
    """Where stacks in training are saved: beside the store, or in the project for a server's."""
    return store.local_folder / "checkpoints" / study
