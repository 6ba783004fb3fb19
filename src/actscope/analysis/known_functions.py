"""Which activation classes a run may name: what was read from a store is data, never code.

A store may hold runs of other people: by a bundle, or on a server. So of the classes that runs
name only those are imported that are torch.nn's own, or that a file of conf/activation names.
"""

import os
from pathlib import Path

import torch
import yaml

from actscope.config import Activation
from actscope.errors import ConfigError
from actscope.project import CONF

# A user's own folder of settings, as training is given it by --config-dir.
OWN_CONF = "ACTSCOPE_CONFIG_DIR"


def check_known(activation: Activation) -> None:
    """Raise ConfigError for a class that may not be imported at a run's word."""
    if not is_known(activation.function):
        raise ConfigError(
            f"activation.function._target_={activation.function!r}: neither torch.nn nor a file of "
            f"conf/activation has this class, and a run is not trusted to name code. If the code "
            f"is yours, name the class in conf/activation, or set {OWN_CONF} to your own conf"
        )


def is_known(function: str) -> bool:
    """Whether an import path, read from a run, may be imported."""
    return _is_torchs(function) or function in _named_by_files()


def _is_torchs(function: str) -> bool:
    package, _, name = function.rpartition(".")
    kind = getattr(torch.nn, name, None) if package == "torch.nn" else None
    return isinstance(kind, type) and issubclass(kind, torch.nn.Module)


def _named_by_files() -> set[str]:
    """Import paths of the classes that files of conf/activation name, here and in a user's own."""
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
        return ""  # a file that makes no activation, which training with it says
