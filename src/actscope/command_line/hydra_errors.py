"""Explains mistakes in words or files that Hydra reads in one line: place, problem, fix."""

import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from actscope.command_line.yaml_errors import explain_file, in_a_line, without_noise
from actscope.errors import ActscopeError, ConfigError
from actscope.project import CONF

SETTINGS_ERRORS = (HydraException, OmegaConfBaseException, YAMLError)
GRID = "hydra.sweeper.params"
# Hydra's messages and their replacements; `{0}` is the text between Hydra's quotes.
REWORDED = {
    r"Ambiguous value for argument '(.+?)'": "{0}: has several values. {1}",
    r"Sweep parameters '(.+?)' requires": "{0}: has several values. {1}",
    r"Sweeping over Hydra's configuration is not supported : '(.+?)'": (
        "{0}: has several values. Give one: Hydra's own settings cannot vary in a sweep."
    ),
    r"An item is already at '(.+?)'": "+{0}: the setting exists already. Give it without the +.",
    r"Could not delete from config\. '(.+?)' does": "~{0}: unknown setting. Remove it.",
    r"does not support sweep type : INTERVAL()": (
        "interval(...): works only with an optimising sweeper. Give values, like lr=0.001,0.01."
    ),
}
CHOOSE_MODEL = ("model=", "experiment=")
MORE_THAN_ONE = {
    "config": "Use --multirun (-m) or the command `sweep` to train a point for each.",
    "report": "Give one value; a setting that takes a list needs brackets.",
}


def explain(error: Exception, words: Sequence[str], config_name: str = "config") -> ActscopeError:
    """Explain an error that Hydra, OmegaConf or YAML raised for words or configuration files.

    `config_name`: the name of the primary configuration in conf/.
    """
    cause: BaseException | None = error
    while cause is not None:  # Hydra wraps errors of the code that it runs
        if isinstance(cause, ActscopeError):
            return cause
        cause = cause.__cause__
    return ConfigError(_in_a_line(error, words, config_name))


def file_of(error: Exception) -> Path | None:
    """The file that Hydra was reading when an error was raised, if it was reading one."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        # Hydra imports its own plugins a second time: equal code, and another object.
        if frame.f_code == FileConfigSource.load_config.__code__:
            return Path(frame.f_locals["full_path"])
    return None


def end_with_near(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the most similar name, or a full stop."""
    found = get_close_matches(name, list(known), 1)
    return f"; did you mean {found[0]}?" if found else "."


def _in_a_line(error: Exception, words: Sequence[str], config_name: str) -> str:
    if (file := file_of(error)) is not None:
        return explain_file(file, error)
    if isinstance(error, OverrideParseException):
        return _of_grammar(error.override, error.message)
    if isinstance(error, MissingConfigException) and error.options:
        return _of_choice(str(error.missing_cfg_file), error.options)
    text = str(error)
    if found := re.match(r"Could not override '(.+?)'\.\nTo append", text):
        return _of_unknown(found[1], words, config_name)
    if found := re.match(r"Error merging override (\S+)", text):
        return _of_value(found[1], error)
    if found := re.match(r"In '(.+?)': \w+ raised while composing config:\n(.*)", text):
        return _of_value(f"{found[1]}.yaml", error)
    for pattern, message in REWORDED.items():
        if found := re.search(pattern, text):
            return message.format(found[1], MORE_THAN_ONE[config_name])
    word = None if isinstance(error, SETTINGS_ERRORS) else _unusable_word(words, config_name)
    return f"{word}: {without_noise(error)}" if word else without_noise(error)


def _of_grammar(word: str, message: str) -> str:
    key, equals, value = word.partition("=")
    if found := re.search(r"while evaluating '.*?': (.*)", message, re.DOTALL):
        return f"{word}: {in_a_line(found[1])}"
    if not equals:
        return f"{word}: has no value. Give settings as name=value."
    if "[" in key:
        return (
            f"{word}: a single value of a list cannot be set. Give all: {key.split('[')[0]}=[1,2]."
        )
    if value.endswith(",") and value.count("[") == value.count("]"):
        return f"{word}: a value is missing after the last comma. Add it or remove the comma."
    return (
        f"{word}: Hydra cannot read the value. Check its commas, brackets and quotes. A value with "
        "spaces needs quotes."
    )


def _of_choice(path: str, options: Sequence[str]) -> str:
    group, _, name = path.rpartition("/")
    end = end_with_near(name, options)
    return f"{group}={name}: there is no {path}{end} Choose one of {', '.join(options)}."


def _of_unknown(key: str, words: Sequence[str], config_name: str) -> str:
    known = _known_settings(config_name, words)
    group = key.rpartition(".")[0]
    siblings = [
        name
        for name in known
        if name.rpartition(".")[0] == group and name.startswith("hydra") == key.startswith("hydra")
    ]
    if key.startswith("activation."):
        given = next((word for word in words if word.partition("=")[0] == key), f"{key}=...")
        return (
            f"{key}: some of the activations have no such setting. Give ++{given} to add it to all "
            "of them."
        )
    remedy = (
        f"Choose one of {', '.join(siblings)}." if siblings else f"See conf/{config_name}.yaml."
    )
    return f"{key}: unknown setting{end_with_near(key, known)} {remedy}"


def _of_value(place: str, error: Exception) -> str:
    """Explain a value that does not fit its setting, by OmegaConf's message in the cause."""
    cause = error.__cause__ or error
    reason = without_noise(cause).split("composing config: ")[-1]
    found = re.search(r"full_key: (\S+)", str(cause)) or re.search(r"full_key: (\S+)", str(error))
    key = found[1] if found else ""
    where = place if "=" in place else f"{place}: {key}"
    if f"{key}.".startswith(f"{GRID}."):
        reason = f"{reason}. Give the values as one text, like 0.001,0.01."
    return f"{where}: {reason}"


def _unusable_word(words: Sequence[str], config_name: str) -> str | None:
    """The first word that Hydra can parse but not use."""
    parser = OverridesParser.create()
    groups = _groups(config_name)
    for word in words:
        try:
            override = parser.parse_override(word)
            if override.is_sweep_override():
                next(override.sweep_string_iterator(), None)
            elif override.key_or_group in groups and not isinstance(override.value(), str | list):
                return word
        except HydraException:  # the word is an option, not an override
            continue
        except ValueError:
            return word
    return None


def _known_settings(config_name: str, words: Sequence[str]) -> list[str]:
    """Names of all settings and groups, as on the command line; those of a model depend on it."""
    choices = [word for word in words if word.startswith(CHOOSE_MODEL) and "," not in word]
    settings = OmegaConf.to_container(_composed(config_name, *choices), resolve=False)
    return list(dict.fromkeys([*_names(settings), *_groups(config_name)]))


def _groups(config_name: str) -> list[str]:
    """Names of the groups, whose values are names of files."""
    return ["hydra", *_composed(config_name).hydra.runtime.choices]


@cache
def _composed(config_name: str, *choices: str) -> DictConfig:
    """The configuration, without overrides but for choices of groups."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(config_name, list(choices), return_hydra_config=True)


def _names(settings: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield f"{prefix}{key}"
            yield from _names(value, f"{prefix}{key}.")
