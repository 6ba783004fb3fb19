"""Hydra's side of a user's own settings: actscope's commands also search the user's folders.

Hydra imports this at every start, so it imports little.
"""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from actscope.project import CONF
from actscope.runtime.own_folder import own_conf_folders


class OwnConf(SearchPathPlugin):
    """Searches a user's own folders behind the shipped one, before that of --config-dir."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        shipped = [part for part in search_path.get_path() if part.provider == "main"]
        if [part.path.removeprefix("file://") for part in shipped] != [str(CONF)]:
            return  # another program that uses Hydra
        for folder in own_conf_folders():
            search_path.append("actscope", f"file://{folder}")
