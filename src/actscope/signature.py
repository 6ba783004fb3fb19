"""What makes two points the same: configuration, data and the code that makes the numbers."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from actscope.config import Point, nested_settings
from actscope.data import Data

# A change in one of these can change a number of a run.
NUMERIC_MODULES = [
    *("data", "divergence", "functions", "history", "inputs", "minibatches", "model", "optimiser"),
    *("outcome", "replay", "train", "trajectory"),
]


@dataclass(frozen=True)
class Signature:
    """SHA-256 of each part, in hexadecimal."""

    config: str
    data: str
    code: str

    @property
    def whole(self) -> str:
        return sha256_of([self.config, self.data, self.code])


def signature_of(point: Point, data: Data) -> Signature:
    return Signature(config_hash(point), data.sha256, code_hash())


def config_hash(point: Point) -> str:
    """Hash the settings that can change a number: not the study's name, not where data lies."""
    settings = nested_settings(point)
    del settings["study"]
    del settings["data"]["root"]
    return sha256_of(settings)


@cache
def code_hash() -> str:
    here = Path(__file__).parent
    return sha256_of({name: (here / f"{name}.py").read_text() for name in NUMERIC_MODULES})


def sha256_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
