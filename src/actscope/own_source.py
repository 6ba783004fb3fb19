"""The source of a class of a user's own, and of the user's own modules that it imports."""

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

# Known to a command and to the processes that it starts, and to no other.
COMMAND = "ACTSCOPE_COMMAND"
INSTALLED = {"site-packages", "dist-packages"}
STDLIB = Path(sysconfig.get_path("stdlib"))


def name_command() -> str:
    """A name that this process shares with those that it starts from now on."""
    return os.environ.setdefault(COMMAND, secrets.token_hex(8))


@cache
def sources_of(kind: type) -> Mapping[str, str] | None:
    """Source of each module that a class is made of, by name; of torch's classes nothing.

    These are the modules of the class and of its bases, and of all that they import those that
    are neither installed nor of Python itself. What a function imports counts; what is imported
    under a name that is made while the code runs cannot be seen.

    None where one of them has no source that could be read.
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
    """Whether a module is of Python itself or of torch, whose version a run tells."""
    spec = _spec(name)
    if name.partition(".")[0] == "torch" or spec is None:
        return spec is not None
    return spec.origin in ("built-in", "frozen") or (
        not _is_installed(spec) and any(place.is_relative_to(STDLIB) for place in _places(spec))
    )


def _is_own(name: str) -> bool:
    """Whether a module is there, and neither installed nor of Python itself."""
    spec = _spec(name)
    if spec is None:
        return name == "__main__"
    return not _is_given(name) and not _is_installed(spec)


def _is_installed(spec: ModuleSpec) -> bool:
    return any(INSTALLED & {*place.parts} for place in _places(spec))


def _places(spec: ModuleSpec) -> list[Path]:
    """Its file, or the folders of a package without one."""
    places = [spec.origin] if spec.has_location else spec.submodule_search_locations
    return [Path(str(place)) for place in places or ()]


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is found, without importing anything."""
    spec: ModuleSpec | None = None
    for part in accumulate(name.split("."), "{}.{}".format):
        places = spec.submodule_search_locations if spec is not None else None
        if spec is not None and places is None:
            return None  # no package: what follows is something in the module
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
    except KeyError:  # of a folder without an __init__.py, whose package is not imported yet
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
    """Names of the modules that a module imports, and of the packages that those are in."""
    spec = _spec(name)
    package = name if spec is None or spec.submodule_search_locations is not None else spec.parent
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # nobody can import it
    found = [name]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            try:
                base = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:  # out of the package: nor can Python
                continue
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    for each in found:
        yield from accumulate(each.split("."), "{}.{}".format)
