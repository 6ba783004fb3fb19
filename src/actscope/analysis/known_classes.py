"""The code that may be imported because a stored run names it.

A store may hold runs of other people, from a bundle or on a server, and importing a class or a
function runs its code. So only what a file of conf/activation, conf/model or conf/data names is
imported, and classes of torch.nn as activations.
"""

from collections.abc import Mapping
from pathlib import Path

import yaml

from actscope.config import Activation, DataSource
from actscope.errors import ConfigError
from actscope.network_settings import Model, OwnNetwork
from actscope.runtime.own_folder import OWN_CONF, conf_folders

# Where the files of a group name a class.
CLASS_IN: Mapping[str, tuple[str, ...]] = {
    "activation": ("function", "_target_"),
    "model": ("_target_",),
    "data": ("_target_",),
}


def check_known(chosen: Activation | Model | OwnNetwork | DataSource) -> None:
    """Raise ConfigError for code that may not be imported because a run names it."""
    match chosen:
        case Activation(function=path):
            group, where = "activation", "neither torch.nn nor a file of conf/activation has"
        case OwnNetwork(path=path):
            group, where = "model", "no file of conf/model names"
        case DataSource(name=path, is_own=True):
            group, where = "data", "no file of conf/data names"
        case _:
            return
    if not is_known(group, path):
        setting = ".".join([group, *CLASS_IN[group]])
        raise ConfigError(
            f"{setting}={path!r}: not imported, because {where} it. If the code is yours, "
            f"add it to conf/{group}, or set {OWN_CONF} to your own conf folder."
        )


def is_known(group: str, path: str) -> bool:
    """Whether a class or function that a stored run names may be imported."""
    return path in _named_by_files(group) or (group == "activation" and _is_torchs(path))


def _is_torchs(path: str) -> bool:
    package, _, name = path.rpartition(".")
    if package != "torch.nn":
        return False
    import torch  # it takes seconds, and the shipped activations are named by files

    kind = getattr(torch.nn, name, None)
    return isinstance(kind, type) and issubclass(kind, torch.nn.Module)


def _named_by_files(group: str) -> set[str]:
    """Import paths of the classes in a group's files, shipped and of the user."""
    files = [path for folder in conf_folders() for path in (folder / group).glob("*.yaml")]
    return {_class_in(path, CLASS_IN[group]) for path in files} - {""}


def _class_in(path: Path, place: tuple[str, ...]) -> str:
    try:
        found = yaml.safe_load(path.read_text())
        for key in place:
            found = found[key]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return ""  # it names no class; training with it reports the error
    return str(found)
