"""Reads the settings of the sub-commands that do not use Hydra; prints errors as one line."""

import argparse
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NoReturn, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from actscope.command_line import suggestions
from actscope.command_line.yaml_errors import explain_word
from actscope.errors import ActscopeError, ConfigError, of_system
from actscope.parsing import parse, plain
from actscope.runtime import output, signals

Settings = TypeVar("Settings")


def run_command(
    name: str,
    description: str,
    kind: type[Settings],
    command: Callable[[Settings], int],
    words: Sequence[str] | None = None,
    flags: Sequence[str] = (),
) -> int:
    """Run `command` with the settings of the command line, `setting=value`; return its exit code.

    `flags`: settings that `--name` sets to true.
    """
    parser = OneLineParser(
        prog=f"actscope {name}",
        usage=" ".join(["%(prog)s", *(f"[--{flag}]" for flag in flags), "[setting=value ...]"]),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    # The description explains them all.
    parser.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
    parser.add_argument("settings", nargs="*", metavar="setting=value", help=argparse.SUPPRESS)
    for flag in flags:
        parser.add_argument(f"--{flag}", action="store_true", help=argparse.SUPPRESS)

    def run() -> int:
        given = parser.parse_intermixed_args(words)
        set_flags = [f"{flag}=true" for flag in flags if getattr(given, flag)]
        return command(read_settings(kind, [*given.settings, *set_flags]))

    return exit_code(run)


def exit_code(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; print an error of the user as one line."""
    try:
        with signals.installed(), output.guarded():
            return command()
    except KeyboardInterrupt as reason:
        return output.report_end(reason)
    except ActscopeError as error:
        return _print(error)
    except OSError as error:
        return _print(of_system(error))


def _print(error: ActscopeError) -> int:
    output.print_error(str(error))
    return error.exit_code


class OneLineParser(argparse.ArgumentParser):
    """Raises ConfigError for a wrong word, instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        command = suggestions.python("-m", *shlex.split(self.prog), "--help")
        raise ConfigError(f"{message}. See `{command}`.")


def read_settings(kind: type[Settings], words: Sequence[str]) -> Settings:
    """Parse `setting=value` words into a `kind`, or raise ConfigError.

    `tracking.uri` defaults to MLFLOW_TRACKING_URI.
    """
    settings: list[Any] = [parsed(word) for word in words]
    if any(field.name == "tracking" for field in fields(kind)):  # type: ignore[arg-type]
        settings.insert(0, {"tracking": {"uri": os.environ.get("MLFLOW_TRACKING_URI")}})
    return parse(kind, plain(OmegaConf.merge({}, *settings)))  # type: ignore[arg-type]


def parsed(word: str) -> DictConfig:
    """Parse one `setting=value`, or raise ConfigError."""
    if not word.partition("=")[0] or "=" not in word:
        raise ConfigError(f"{word}: is not a setting. Give settings as name=value.")
    try:
        return OmegaConf.from_dotlist([word])
    except (YAMLError, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(explain_word(word, error)) from error
