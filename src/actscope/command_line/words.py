"""Mistakes in the words of a command line that Hydra does not find."""

import re
from collections.abc import Iterable, Sequence

from actscope.credentials import scrub
from actscope.errors import ConfigError
from actscope.settings_errors import shorten
from actscope.tuning_settings import LR, Search, Tuning

MAX_NAME = 200  # characters
OPTUNA = "hydra/sweeper=optuna"
LONG_NUMBER = re.compile(r"\d{4301}")


def check_words(words: Iterable[str]) -> None:
    """Check words of a command line for mistakes that make Hydra fail.

    Hydra searches files by the names of settings, and parses numbers of any length.

    Raises:
        ConfigError: a name is missing, or a name or number is too long.

    """
    for word in words:
        if word.startswith(("=", "@")):
            raise ConfigError(f"{shorten(word)}: has no name. Give settings as name=value.")
        if len(word.partition("=")[0]) > MAX_NAME:
            raise ConfigError(f"{shorten(scrub(ascii(word)[1:-1]))}: unknown setting.")
        if LONG_NUMBER.search(word):
            raise ConfigError(
                f"{shorten(scrub(ascii(word)[1:-1]))}: the number has too many digits."
            )
        if word == OPTUNA:
            raise ConfigError(
                f"{word}: its plug-in needs Optuna 2, and would search seeds. Use tuning=search, "
                "which searches with Optuna and averages over seeds (docs/tuning.md)."
            )


def check_tunes(rules: Tuning | Search, words: Sequence[str]) -> None:
    """Raise ConfigError if a tuned sweep's command line has what it chooses, or seeds."""
    chosen = rules.space if isinstance(rules, Search) else [LR]
    whence = "tuning.space" if isinstance(rules, Search) else "tuning.rates"
    instead = {**dict.fromkeys(chosen, whence), "seed": "tuning.seeds and evaluation_seeds"}
    for word in words:
        name = word.lstrip("+").partition("=")[0]
        if name in instead:
            raise ConfigError(f"{word}: a tuned sweep has its own. Set {instead[name]} instead.")
