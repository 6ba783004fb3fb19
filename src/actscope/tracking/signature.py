"""What makes two points the same: configuration, data and the code that makes the numbers.

That code is actscope's own and, where an activation is a class of a user's own, the user's.
"""

import ast
import hashlib
import json
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from actscope import engine
from actscope.config import Activation, Point, nested_settings
from actscope.engine.activations import find_class
from actscope.engine.data import Data
from actscope.own_source import name_command, sources_of

ENGINE = Path(engine.__file__).parent
NO_NUMBERS = ("annotation", "returns", "type_comment")  # fields of syntax that change no number

UNREADABLE = "unreadable, command "


@dataclass(frozen=True)
class Signature:
    """SHA-256 of each part, in hexadecimal; of torch's activations there is no code."""

    config: str
    data: str
    code: str
    activation_code: str = ""

    @property
    def whole(self) -> str:
        parts = [self.config, self.data, self.code]
        return sha256_of([*parts, self.activation_code] if self.activation_code else parts)

    @property
    def is_lasting(self) -> bool:
        """Whether another command can see that a point is the same."""
        return not self.activation_code.startswith(UNREADABLE)


def signature_of(point: Point, data: Data) -> Signature:
    """The signature of a point that is trained now.

    Raises:
        ConfigError: its activation cannot be imported.

    """
    return Signature(
        config_hash(point), data.sha256, code_hash(), activation_hash(point.activation)
    )


def activation_hash(activation: Activation) -> str:
    """Hash the source that a user has written for an activation; '' for torch's own.

    Where it cannot be read, a word that no other command gives.
    """
    if activation.function.startswith("torch."):  # as almost all do: to import it takes longer
        return ""
    sources = sources_of(find_class(activation))  # type: ignore[arg-type]  # mypy: a class of torch has no hash
    if sources is None:
        return f"{UNREADABLE}{name_command()}"
    return sha256_of(sources) if sources else ""


def config_hash(point: Point) -> str:
    """Hash the settings that can change a number: not the study's name, not where data lies."""
    settings = nested_settings(point)
    del settings["study"]
    del settings["data"]["root"]
    return sha256_of(settings)


@cache
def code_hash() -> str:
    """Hash the code of the engine."""
    return hash_of_code(ENGINE)


def hash_of_code(folder: Path) -> str:
    """SHA-256 of what the Python files of a folder do.

    It is over their parsed code, so comments and formatting are no part of it. Neither are
    docstrings, imports and type annotations.
    """
    files = sorted(folder.rglob("*.py"))
    return sha256_of({str(path.relative_to(folder)): _syntax(path) for path in files})


def _syntax(path: Path) -> Any:
    return _plain(ast.parse(path.read_bytes()))


def _plain(node: Any) -> Any:
    """A node of syntax as lists, without empty fields, in which versions of Python differ."""
    if isinstance(node, list):
        return [_plain(each) for each in node if not _says_nothing(each)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        [name, _plain(value)]
        for name, value in ast.iter_fields(node)
        if name not in NO_NUMBERS and value not in (None, [])
    ]
    return [type(node).__name__, *fields]


def _says_nothing(node: Any) -> bool:
    """Whether a statement is an import, or text that stands by itself, as a docstring does."""
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, ast.Import | ast.ImportFrom)


def sha256_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def changed_parts(before: Signature, now: Signature) -> tuple[str, ...]:
    """Names of the parts in which two signatures differ."""
    parts = zip(fields(Signature), astuple(before), astuple(now), strict=True)
    return tuple(part.name for part, old, new in parts if old != new)
