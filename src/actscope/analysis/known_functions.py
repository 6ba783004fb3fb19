"""The activation classes that may be imported because a stored run names them.

A store may hold runs of other people, from a bundle or on a server, and importing a class runs its
code. So only classes of torch.nn, or named in a file of conf/activation, are imported.
"""

import os
from pathlib import Path

import yaml

from actscope.config import Activation
from actscope.errors import ConfigError
from actscope.project import CONF

# A user's own folder of settings, which training gets by --config-dir.
OWN_CONF = "ACTSCOPE_CONFIG_DIR"


def check_known(activation: Activation) -> None:
    """Raise ConfigError for a class that may not be imported because a run names it."""
    if not is_known(activation.function):
        raise ConfigError(
            f"activation.function._target_={activation.function!r}: not imported, because neither "
            f"torch.nn nor a file of conf/activation has this class. If the code is yours, add it "
            f"to conf/activation, or set {OWN_CONF} to your own conf folder."
        )


def is_known(function: str) -> bool:
    """Whether an import path of a stored run may be imported."""
    return function in _named_by_files() or _is_torchs(function)


def _is_torchs(function: str) -> bool:
    package, _, name = function.rpartition(".")
    if package != "torch.nn":
        return False
    import torch  # it takes seconds, and the shipped activations are named by files

    kind = getattr(torch.nn, name, None)
    return isinstance(kind, type) and issubclass(kind, torch.nn.Module)


def _named_by_files() -> set[str]:
    """Import paths of the classes in conf/activation, of the project and of the user."""
    folders = [CONF, *(Path(own) for own in [os.environ.get(OWN_CONF)] if own)]
    found = set()
    for folder in folders:
        for path in (folder / "activation").glob("*.yaml"):
            found.add(_target(path))
    return found - {""}


def _target(path: Path) -> str:
    try:
        settings = yaml.safe_load(path.read_text())
        return str(settings["function"]["_target_"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return ""  # not an activation's file; training with it reports the error
