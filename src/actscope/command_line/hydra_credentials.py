"""Moves credentials from Hydra's settings to the environment.

Hydra copies the command line and the settings of its files to `multirun.yaml` and `.hydra`.
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


def hide_credentials(words: Iterable[str]) -> list[str]:
    """Move a tracking URI with credentials from the command line to the environment.

    Returns the words without the credentials.

    Raises:
        ConfigError: another word contains credentials.

    """
    return [_without_credentials(word) for word in words]


def _without_credentials(word: str) -> str:
    key, _, value = word.partition("=")
    if key.lstrip("+") == URI and find(uri := _parsed(word, value)):
        os.environ[VARIABLE] = uri
        return f"{key}={FROM_ENVIRONMENT}"
    if holds_credentials(word):
        raise ConfigError(
            f"{scrub(word)}: Hydra would write these credentials to disk. Put the URI in an "
            f"environment variable and give {key}=${{oc.env:NAME}}."
        )
    return word


def _parsed(word: str, value: str) -> str:
    """The value of a word as Hydra reads it; unchanged if Hydra cannot read it."""
    try:
        read = OverridesParser.create().parse_override(word).value()
    except HydraException:
        return value
    return read if isinstance(read, str) else value


class HideCredentials(Callback):
    """Moves a tracking URI with credentials from a configuration file to the environment."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        _move_uri(config)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        if _move_uri(config):
            # Each job is composed from the files again.
            with read_write(config.hydra), open_dict(config.hydra):
                config.hydra.overrides.task.append(f"{URI}={FROM_ENVIRONMENT}")


def _move_uri(config: DictConfig) -> bool:
    """Move the URI if it has credentials; return whether it has."""
    settings: Any = OmegaConf.to_container(config, resolve=False)
    tracking = settings.get("tracking")
    uri = tracking.get("uri") if isinstance(tracking, dict) else None
    if not isinstance(uri, str) or not find(uri):
        return False
    os.environ[VARIABLE] = uri
    with read_write(config), open_dict(config):
        config.tracking.uri = FROM_ENVIRONMENT
    return True
