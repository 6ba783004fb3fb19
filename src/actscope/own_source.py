"""The source of a user's own class, and of the user's own modules that it imports."""

import ast
import inspect
import os
import secrets
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name
from itertools import accumulate
from pathlib import Path

# The environment variable that a command shares with the processes it starts.
COMMAND = "ACTSCOPE_COMMAND"
INSTALLED = {"site-packages", "dist-packages"}
STDLIB = Path(sysconfig.get_path("stdlib"))


def name_command() -> str:
    """A name that this process shares with the processes it starts from now on."""
    return os.environ.setdefault(COMMAND, secrets.token_hex(8))


@cache
def sources_of(kind: type) -> Mapping[str, str] | None:
    """Source of each module that a class depends on, by name; empty for torch's and actscope's.

    These are the modules of the class and its bases, and the modules that they import, also inside
    functions. Installed modules, Python's own, and imports by a computed name are left out.

    None if the source of one of them cannot be read.
    """
    unread = [base.__module__ for base in kind.__mro__ if not _is_given(base.__module__)]
    sources: dict[str, str] = {}
    while unread:
        name = unread.pop()
        if name in sources:
            continue
        source = _source(name)
        if source is None:
            return None
        sources[name] = source
        unread += [found for found in _imported(name, source) if _is_own(found)]
    return sources


def _is_given(name: str) -> bool:
    """Whether a module belongs to Python, torch or actscope; runs record the versions of these."""
    spec = _spec(name)
    if name.partition(".")[0] in ("torch", "actscope") or spec is None:
        return spec is not None
    return spec.origin in ("built-in", "frozen") or (
        not _is_installed(spec) and any(place.is_relative_to(STDLIB) for place in _places(spec))
    )


def _is_own(name: str) -> bool:
    """Whether a module exists, is not installed, and does not belong to Python."""
    spec = _spec(name)
    if spec is None:
        return name == "__main__"
    return not _is_given(name) and not _is_installed(spec)


def _is_installed(spec: ModuleSpec) -> bool:
    return any(INSTALLED & {*place.parts} for place in _places(spec))


def _places(spec: ModuleSpec) -> list[Path]:
    """The file of a module, or the folders of a package without `__init__.py`."""
    places = [spec.origin] if spec.has_location else spec.submodule_search_locations
    return [Path(str(place)) for place in places or ()]


def _spec(name: str) -> ModuleSpec | None:
    """Find a module without importing anything."""
    spec: ModuleSpec | None = None
    for part in accumulate(name.split("."), "{}.{}".format):
        places = spec.submodule_search_locations if spec is not None else None
        if spec is not None and places is None:
            return None  # not a package: the rest of the name is an attribute
        if part in sys.modules:
            spec = getattr(sys.modules[part], "__spec__", None)
        else:
            spec = _found(part, places)
        if spec is None:
            return None
    return spec


def _found(name: str, places: Sequence[str] | None) -> ModuleSpec | None:
    try:
        return PathFinder.find_spec(name, places)
    except KeyError:  # in a folder without __init__.py whose package is not imported yet
        folders = [Path(place) / name.rpartition(".")[2] for place in places or ()]
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(path) for path in folders if path.is_dir()]
        return spec


def _source(name: str) -> str | None:
    spec = _spec(name)
    try:
        if spec is None:
            return inspect.getsource(sys.modules[name])
        if spec.loader is None:
            return ""  # a folder without an __init__.py
        source: str | None = spec.loader.get_source(name)  # type: ignore[attr-defined]
    except (AttributeError, ImportError, KeyError, OSError, TypeError):
        return None
    return source


def _imported(name: str, source: str) -> Iterator[str]:
    """Names of the modules that a module imports, and of their packages."""
    spec = _spec(name)
    package = name if spec is None or spec.submodule_search_locations is not None else spec.parent
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # it cannot be imported
    found = [name]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            try:
                base = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:  # outside the package, so Python cannot import it either
                continue
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    for each in found:
        yield from accumulate(each.split("."), "{}.{}".format)
