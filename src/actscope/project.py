"""The folders of the project.

In a checkout they do not depend on the current directory. If actscope was installed from a wheel,
runs and reports go to the current directory.
"""

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parents[1]
IS_CHECKOUT = (
    CHECKOUT / "conf" / "config.yaml"
).exists()  # otherwise actscope was installed from a wheel
ROOT = CHECKOUT if IS_CHECKOUT else Path.cwd()
CONF = (CHECKOUT if IS_CHECKOUT else PACKAGE) / "conf"


@dataclass(frozen=True)
class GitState:
    """The checked-out commit, and whether the files differ from it."""

    commit: str
    dirty: str


@cache
def git_state() -> GitState:
    """State of the checkout; `unknown` without git or outside a git checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - fixed words

    try:
        return GitState(git("rev-parse", "HEAD"), str(bool(git("status", "--porcelain"))).lower())
    except (OSError, subprocess.CalledProcessError):
        return GitState("unknown", "unknown")
