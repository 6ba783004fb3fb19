"""A user's own folder: the current one, if it has a folder conf/. It is not the checkout.

Its conf/ is searched behind the shipped one, and its Python packages can be imported. A folder of a
store or of an unpacked bundle is never a user's own.
"""

import os
import sys
from pathlib import Path

from actscope.errors import ConfigError
from actscope.project import CONF
from actscope.runtime.import_path import is_in_store

OWN_CONF = "ACTSCOPE_CONFIG_DIR"  # names one more folder like conf/


def own_folder() -> Path | None:
    """The current folder, if it is a user's own."""
    folder = Path.cwd()
    is_own = (folder / "conf").is_dir() and not (folder / "conf").samefile(CONF)
    return folder if is_own and not is_in_store(str(folder)) else None


def own_conf_folders() -> list[Path]:
    """The folders of a user's own settings: conf/ of the own folder, and ACTSCOPE_CONFIG_DIR.

    Raises:
        ConfigError: ACTSCOPE_CONFIG_DIR is no folder.

    """
    own, named = own_folder(), os.environ.get(OWN_CONF)
    if named and not Path(named).is_dir():
        raise ConfigError(f"{OWN_CONF}={named}: is not a folder. Correct the path, or unset it.")
    return [*([own / "conf"] if own else []), *([Path(named).absolute()] if named else [])]


def conf_folders() -> list[Path]:
    """All folders of settings: the shipped one first, whose files count before others of a name."""
    return [CONF, *own_conf_folders()]


def hidden_files() -> list[Path]:
    """A user's own files that no command uses, as a shipped file of a group has the same name."""
    shipped = {path.relative_to(CONF) for path in CONF.glob("*/**/*.yaml")}
    return [
        path
        for folder in own_conf_folders()
        for path in sorted(folder.glob("*/**/*.yaml"))
        if path.relative_to(folder) in shipped
    ]


def offer_packages() -> None:
    """Let this process import packages of the own folder, and the processes that it starts.

    The folder comes last, so that its files replace no installed module.
    """
    own = own_folder()
    if own is not None and str(own) not in sys.path:
        sys.path.append(str(own))
