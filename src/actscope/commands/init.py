"""Begin a study with a network of your own: `actscope init NAME` writes its folder."""

import keyword
import re
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from actscope.commands.settings import NoSettings
from actscope.errors import ConfigError
from actscope.project import CONF
from actscope.runtime.import_path import is_in_store
from actscope.setting_types import LONGEST_NAME
from actscope.settings_errors import shorten

TEMPLATE = Path(__file__).with_name("new_study")
NAME = "my_study"  # in the template, wherever the study's name is meant
RENAMED = {"gitignore": ".gitignore"}  # git would obey it in the template too
FOLDERS = ("conf", "data", "mlruns", "outputs", "reports")  # of every study
READY = """\
{name}/ has a network, its settings and a grid. Next:
  cd {name}
  {actscope} sweep experiment={name}
  {actscope} report study={name}
"""


def run(name: str, _: NoSettings) -> int:
    """Write the folder of a new study into the current folder; the exit code."""
    check_name(name)
    folder = Path(name)
    folder.mkdir()
    write_study(folder, name)
    sys.stdout.write(READY.format(name=name, actscope=_command()))
    return 0


def check_name(name: str) -> None:
    """Raise ConfigError if a study, its folder and its Python package cannot all have this name."""
    if (problem := _problem(name)) is not None:
        raise ConfigError(f"init {shorten(ascii(name)[1:-1])}: {problem}")


def _problem(name: str) -> str | None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        return (
            "is not the name of a Python package. Begin with a letter, and use only letters, "
            "digits and '_'."
        )
    if len(name) > LONGEST_NAME:
        return f"must have at most {LONGEST_NAME} characters."
    if Path(name).exists():
        return "exists already. Choose another name."
    if name in FOLDERS or (CONF / "experiment" / f"{name}.yaml").exists() or name == "Default":
        return "actscope itself uses this name. Choose another one."
    if find_spec(name) is not None:
        return "Python would import an installed module of this name. Choose another one."
    if is_in_store(""):
        return "the current folder belongs to a store or a bundle. Change to another folder."
    return None


def write_study(folder: Path, name: str) -> None:
    """Copy the template into an empty folder, with `name` for its name."""
    for source in sorted(TEMPLATE.rglob("*")):
        if source.is_dir() or "__pycache__" in source.parts:
            continue
        parts = [part.replace(NAME, name) for part in source.relative_to(TEMPLATE).parts]
        path = folder.joinpath(*parts[:-1], RENAMED.get(parts[-1], parts[-1]))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.read_text().replace(NAME, name))


def _command() -> str:
    """The command actscope, or the same by this process's Python where it is not on the path."""
    if shutil.which("actscope"):
        return "actscope"
    return shlex.join([sys.executable, "-m", "actscope"])
