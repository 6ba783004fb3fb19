"""The state of a stack on disk, from which an interrupted training continues."""

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

FORMAT = "1"  # of the file; a change of the state itself changes the points' signatures
SUFFIX = ".safetensors"

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
    def key(self) -> str:
        return sha256_of([str(self.dtype), *self.signatures])

    @property
    def path(self) -> Path:
        return self.folder / f"{self.key}{SUFFIX}"

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
            for path in self.folder.glob(f"{self.key}.*"):
                path.unlink(missing_ok=True)
        except OSError as error:  # a file that stays does no harm to the results
            log.warning("Cannot remove checkpoint %s: %s", self.path, error)


@dataclass(frozen=True)
class Saved:
    """The checkpoints in a folder, by path.

    `stacks`: the signatures of each stack. `damaged`: why a file cannot be read.
    """

    stacks: Mapping[Path, list[str]]
    damaged: Mapping[Path, str]


def saved_stacks(folder: Path, doctor: str = "make doctor") -> list[list[str]]:
    """The signatures of each stack with a checkpoint in the folder; warn of damaged files.

    `doctor`: the command that deletes damaged files.
    """
    saved = scan(folder)
    for path, reason in saved.damaged.items():
        log.warning("Cannot read checkpoint %s (`%s` deletes it): %s", path, doctor, reason)
    return list(saved.stacks.values())


def scan(folder: Path) -> Saved:
    """Read the headers of all checkpoints in a folder."""
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
        except Exception as error:  # noqa: BLE001 - a damaged file may raise any error
            damaged[path] = first_line(error)
    return Saved(stacks, damaged)


def _signatures_in(path: Path, metadata: Mapping[str, str]) -> list[str]:
    """The signatures in a header; raise ValueError if they do not belong to the file's name."""
    signatures = TypeAdapter(list[str]).validate_json(metadata["signatures"])
    if not signatures or len(set(signatures)) < len(signatures):
        raise ValueError("its signatures do not form a stack")
    if Checkpoint(path.parent, signatures, seconds=0).path != path:
        raise ValueError("its name does not match its points")
    return signatures


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


def checkpoint_folder(store: Store, study: str) -> Path:
    """The folder of a study's checkpoints: next to the store, or in the project for a server."""
    return store.local_folder / "checkpoints" / study
