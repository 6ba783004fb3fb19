"""Commands that messages suggest. Each one works when pasted in the folder of the message.

A command names the store, unless the environment does, and the full path of its Python.
"""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actscope.project import ROOT
from actscope.runtime.own_folder import conf_folders

if TYPE_CHECKING:
    from actscope.tracking.store import Store

VARIABLE = "MLFLOW_TRACKING_URI"
SQLITE = "sqlite:///"
OF_A_STUDY = ("report", "status", "verify")  # `make` passes their study as STUDY=
SAFE_IN_MAKE = re.compile(r"[\w.,=\[\]/:+-]+")  # a word that neither make nor its shell changes


def command(name: str, *settings: str, store: "Store | None" = None) -> str:
    """`make report STUDY=mine`, or the same with Python where `make` does not work."""
    prefix = "" if store is None or _is_found(store) else _assignment(store)
    if _make_works(settings):
        return f"{prefix}{_by_make(name, settings)}"
    return f"{prefix}{python('-m', 'actscope', name, *settings)}"


def python(*words: str) -> str:
    """A command with the Python that runs this process."""
    program = Path(sys.executable)
    here = Path.cwd()
    shown = program.relative_to(here) if program.is_relative_to(here) else program
    return shlex.join([str(shown), *words])


def mlflow(*words: str, store: "Store") -> str:
    """A command of MLflow, which finds a store only by the environment."""
    prefix = "" if os.environ.get(VARIABLE) == store.public_uri else _assignment(store)
    return f"{prefix}{python('-m', 'mlflow', *words)}"


def again(words: Sequence[str], store: "Store") -> str:
    """The command line of this process, without credentials."""
    setting = "tracking.uri="
    shown = [f"{setting}{store.public_uri}" if w.startswith(setting) else w for w in words]
    return python("-m", "actscope", *shown)


def training(study: str, store: "Store | None" = None) -> str:
    """The command that trains a study, by the experiment of its name if there is one."""
    files = [folder / "experiment" / f"{study}.yaml" for folder in conf_folders()]
    is_experiment = any(path.exists() for path in files)
    return command("sweep", f"{'experiment' if is_experiment else 'study'}={study}", store=store)


def install(extra: str) -> str:
    """The command that installs an extra of the project."""
    project = "." if Path.cwd() == ROOT else str(ROOT)
    return python("-m", "pip", "install", "-e", f"{project}[{extra}]")


def _make_works(settings: Sequence[str]) -> bool:
    is_its_python = Path(sys.prefix) == ROOT / ".venv"
    return is_its_python and Path.cwd() == ROOT and all(SAFE_IN_MAKE.fullmatch(s) for s in settings)


def _by_make(name: str, settings: Sequence[str]) -> str:
    study = [s for s in settings if name in OF_A_STUDY and s.startswith("study=")]
    rest = " ".join(setting for setting in settings if setting not in study)
    words = ["make", name, *(s.replace("study=", "STUDY=", 1) for s in study)]
    return f"{' '.join(words)}{f' ARGS={shlex.quote(rest)}' if rest else ''}"


def _is_found(store: "Store") -> bool:
    """Whether commands find the store without its URI."""
    given = os.environ.get(VARIABLE) or f"{SQLITE}{ROOT}/mlruns/mlflow.db"
    return store.uri in (given, f"{SQLITE}{ROOT / given.removeprefix(SQLITE)}")


def _assignment(store: "Store") -> str:
    return f"{VARIABLE}={shlex.quote(store.public_uri)} "
