"""Explains a mistake in a user's YAML file or value in one line."""

import re
import traceback
from pathlib import Path

from yaml import YAMLError
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

from actscope.project import ROOT

CLOSE_OR_QUOTE = "Close its brackets and quotes, or quote the value"
# Hydra and OmegaConf append this to their messages.
NOISE = re.compile(
    r"(Config search path:|Search path:|To append to your config|full_key:|object_type=|"
    r"reference_type=|See https://hydra|Set the environment variable).*",
    re.DOTALL,
)


def explain_file(path: Path, error: Exception) -> str:
    """Name the line of a file, the problem, and the fix."""
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    if isinstance(error, UnicodeDecodeError):
        line = 1 + error.object[: error.start].count(b"\n")
        return f"{shown}, line {line}: a character is not UTF-8. Save the file as UTF-8."
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{shown}, line {mark.line + 1}, column {mark.column + 1}: {_problem(error)}"
    if isinstance(error, ReaderError):
        return f"{shown}, character {error.position + 1}: {error.reason}. Remove it."
    return f"{shown}: {without_noise(error)}"


def explain_word(word: str, error: Exception) -> str:
    """Explain what is wrong with a `setting=value` whose value is YAML."""
    if isinstance(error, YAMLError):
        return f"{word}: the value cannot be read. {CLOSE_OR_QUOTE}."
    return f"{word}: {without_noise(error)}"


def without_noise(error: BaseException) -> str:
    """The message of an error or of its cause, without Hydra's and OmegaConf's additions."""
    if text := in_a_line(str(error)):
        return text
    if error.__cause__ is not None:
        return without_noise(error.__cause__)
    # A library's assert has no message, only its line.
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__}: {frames[-1].line if frames else 'no reason given'}"


def in_a_line(text: str) -> str:
    return " ".join(NOISE.sub("", text).split())


def _problem(error: MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "'\\t'" in problem:
        return f"{problem}. Indent with spaces."
    if "duplicate key" in problem:
        return f"{problem}. Keep one of them."
    return f"{problem}. Correct it. A text with characters like : # [ {{ * & needs quotes."
