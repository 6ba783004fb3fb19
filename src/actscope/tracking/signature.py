"""A point's signature: hashes of its configuration, data and code. Equal points have equal ones.

The code is actscope's engine and, if the activation or the network is a user's own class, also the
user's.
"""

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from actscope import engine
from actscope.config import Activation, Point
from actscope.engine.images import Described
from actscope.network_settings import Model, OwnNetwork
from actscope.own_source import name_command, sources_of
from actscope.parsing import nested_settings

ENGINE = Path(engine.__file__).parent
IGNORED = ("annotation", "returns", "type_comment")  # syntax fields that cannot change a number

UNREADABLE = "unreadable, command "


@dataclass(frozen=True)
class Signature:
    """SHA-256 of each part, in hexadecimal.

    `activation_code`: '' for torch's activations. `model_code`: '' for actscope's networks.
    """

    config: str
    data: str
    code: str
    activation_code: str = ""
    model_code: str = ""

    @property
    def whole(self) -> str:
        parts = [self.config, self.data, self.code]
        if self.model_code:
            return sha256_of([*parts, self.activation_code, self.model_code])
        return sha256_of([*parts, self.activation_code] if self.activation_code else parts)


def signature_of(point: Point, data: Described) -> Signature:
    """The signature of a point that is trained now.

    Raises:
        ConfigError: its activation or its network cannot be imported.

    """
    return Signature(
        config_hash(point),
        data.sha256,
        code_hash(),
        activation_hash(point.activation),
        model_hash(point.model),
    )


def unreadable_classes(point: Point, signature: Signature) -> Iterator[str]:
    """Classes whose source cannot be read, so that no other command has the same signature."""
    if signature.activation_code.startswith(UNREADABLE):
        yield point.activation.function
    if isinstance(point.model, OwnNetwork) and signature.model_code.startswith(UNREADABLE):
        yield point.model.path


def activation_hash(activation: Activation) -> str:
    """Hash the source of a user's own activation; '' for torch's.

    If the source cannot be read, the result is a text that no other command returns.
    """
    if activation.function.startswith("torch."):  # the usual case, without an import
        return ""
    from actscope.engine.activations import find_class  # torch is slow to import

    return _source_hash(find_class(activation))


def model_hash(model: Model | OwnNetwork) -> str:
    """Hash the source of a user's own network; '' for actscope's, which are part of the engine.

    If the source cannot be read, the result is a text that no other command returns.
    """
    if isinstance(model, Model) or model.path.startswith(f"{engine.__name__}."):
        return ""
    from actscope.engine.own_network import find_network  # torch is slow to import

    return _source_hash(find_network(model))


def _source_hash(kind: type) -> str:
    sources = sources_of(kind)
    if sources is None:
        return f"{UNREADABLE}{name_command()}"
    return sha256_of(sources) if sources else ""


def config_hash(point: Point) -> str:
    """Hash the settings that can change a number: not the study's name, not the data's folder."""
    settings = nested_settings(point)
    del settings["study"]
    del settings["data"]["root"]
    return sha256_of(settings)


@cache
def code_hash() -> str:
    """Hash the code of the engine."""
    return hash_of_code(ENGINE)


def hash_of_code(folder: Path) -> str:
    """SHA-256 of the parsed code of a folder's Python files.

    Comments, formatting, docstrings, imports and type annotations do not change it.
    """
    files = sorted(folder.rglob("*.py"))
    return sha256_of({str(path.relative_to(folder)): _syntax(path) for path in files})


def _syntax(path: Path) -> Any:
    return _plain(ast.parse(path.read_bytes()))


def _plain(node: Any) -> Any:
    """A syntax node as lists. Empty fields are left out: versions of Python differ in them."""
    if isinstance(node, list):
        return [_plain(each) for each in node if not _is_ignored(each)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        [name, _plain(value)]
        for name, value in ast.iter_fields(node)
        if name not in IGNORED and value not in (None, [])
    ]
    return [type(node).__name__, *fields]


def _is_ignored(node: Any) -> bool:
    """Whether a statement is an import or a docstring."""
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
