"""Where the project lies: its own folders are found from here, whatever the current directory."""

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"


@dataclass(frozen=True)
class GitState:
    """The commit that is checked out and whether the files differ from it."""

    commit: str
    dirty: str


@cache
def git_state() -> GitState:
    """State of the checkout; `unknown` where the project is not a git checkout or git is absent."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - fixed words

    try:
        return GitState(git("rev-parse", "HEAD"), str(bool(git("status", "--porcelain"))).lower())
    except (OSError, subprocess.CalledProcessError):
        return GitState("unknown", "unknown")
