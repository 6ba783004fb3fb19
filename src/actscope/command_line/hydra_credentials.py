"""Credentials kept out of what Hydra writes and quotes: they go to the environment instead.

Hydra copies the words of a command and the settings of its files into `multirun.yaml` and `.hydra`.
"""

import os
from collections.abc import Iterable
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from actscope.credentials import find, holds_credentials, scrub
from actscope.errors import ConfigError

URI = "tracking.uri"
VARIABLE = "MLFLOW_TRACKING_URI"
FROM_ENVIRONMENT = f"${{oc.env:{VARIABLE}}}"


def taken_out(words: Iterable[str]) -> list[str]:
    """The words of a command line, with a tracking URI that holds credentials moved out of them.

    Raises:
        ConfigError: another word holds credentials.

    """
    return [_without_credentials(word) for word in words]


def _without_credentials(word: str) -> str:
    key, _, value = word.partition("=")
    if key.lstrip("+") == URI and find(uri := _meant(word, value)):
        os.environ[VARIABLE] = uri
        return f"{key}={FROM_ENVIRONMENT}"
    if holds_credentials(word):
        raise ConfigError(
            f"{scrub(word)}: Hydra would write its credentials to disk. Put the URI into a "
            f"variable of the environment, and give {key}=${{oc.env:NAME}}"
        )
    return word


def _meant(word: str, value: str) -> str:
    """What Hydra makes of a word's value; as it stands where Hydra cannot read it."""
    try:
        read = OverridesParser.create().parse_override(word).value()
    except HydraException:
        return value
    return read if isinstance(read, str) else value


class HideCredentials(Callback):
    """Moves a tracking URI that a file of settings holds with its credentials out of them too."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        _take_out(config)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        if _take_out(config):
            # Each job is composed from the files once more.
            with read_write(config.hydra), open_dict(config.hydra):
                config.hydra.overrides.task.append(f"{URI}={FROM_ENVIRONMENT}")


def _take_out(config: DictConfig) -> bool:
    """Whether there was one to move."""
    settings: Any = OmegaConf.to_container(config, resolve=False)
    tracking = settings.get("tracking")
    uri = tracking.get("uri") if isinstance(tracking, dict) else None
    if not isinstance(uri, str) or not find(uri):
        return False
    os.environ[VARIABLE] = uri
    with read_write(config), open_dict(config):
        config.tracking.uri = FROM_ENVIRONMENT
    return True
