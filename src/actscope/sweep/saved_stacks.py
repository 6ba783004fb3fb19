"""Which stacks have a checkpoint, by the headers of the files; torch is not needed."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from safetensors import safe_open

from actscope.errors import first_line
from actscope.tracking import Store
from actscope.tracking.signature import sha256_of

FORMAT = "1"  # of the file; a change of the state itself changes the points' signatures
SUFFIX = ".safetensors"
FLOAT32 = "torch.float32"  # torch's name of the type of numbers that sweeps train with

log = logging.getLogger(__name__)


def file_name(signatures: Sequence[str], dtype: str) -> str:
    """The name of the checkpoint of a stack, by its points and its type of numbers."""
    return f"{sha256_of([dtype, *signatures])}{SUFFIX}"


def checkpoint_folder(store: Store, study: str) -> Path:
    """The folder of a study's checkpoints: next to the store, or in the project for a server."""
    return store.local_folder / "checkpoints" / study


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
            with safe_open(path, framework="numpy") as file:
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
    if path.name != file_name(signatures, FLOAT32):
        raise ValueError("its name does not match its points")
    return signatures
