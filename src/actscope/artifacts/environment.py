"""The files that record a sweep's environment: installed packages and uncommitted changes."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory

from actscope.project import ROOT

PACKAGES = "packages.txt"
PATCH = "uncommitted.patch"
LARGEST_PATCH = 2**20  # bytes
SECONDS_FOR_GIT = 30
# New files of the patch, if git does not ignore them. Other files could hold data or secrets.
NEW_FILES = ("*.py", "conf/*.yaml")


def gather(*, patch: bool) -> dict[str, bytes]:
    """The contents of these files by name; with `patch` also the difference from the commit."""
    files = {PACKAGES: installed_packages().encode()}
    changes = uncommitted_changes() if patch else b""
    return {**files, PATCH: changes} if changes else files


def installed_packages() -> str:
    """All installed packages, as pip pins them, one a line."""
    pins = {pin for found in distributions() if (pin := _pin(found))}
    return "".join(f"{pin}\n" for pin in sorted(pins, key=str.casefold))


def uncommitted_changes(project: Path = ROOT) -> bytes:
    """A patch from the commit to the project's files; empty without git or a checkout.

    If it is larger than LARGEST_PATCH, a line that says so replaces it.
    """
    try:
        with TemporaryDirectory(prefix="actscope-") as scratch:
            patch = _diff(project, Path(scratch) / "index")
    except (OSError, subprocess.SubprocessError):
        return b""
    if len(patch) > LARGEST_PATCH:
        return b"Left out: the patch has %d bytes, more than %d.\n" % (len(patch), LARGEST_PATCH)
    return patch


def _pin(found: Distribution) -> str | None:
    # Not its `metadata`: parsing those of all packages takes a second.
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    name, version = (re.search(rf"^{key}: *(\S+)", text, re.M) for key in ("Name", "Version"))
    return f"{name[1]}=={version[1]}" if name and version else None


def _diff(project: Path, index: Path) -> bytes:
    """Diff with a copy of git's index that has the new files too; git shows only known files."""
    own = _git(project, ["rev-parse", "--git-path", "index"])
    # With its time: git reads the files again that are as new as the index.
    shutil.copy2(project / os.fsdecode(own).strip(), index)
    environment = {**os.environ, "GIT_INDEX_FILE": str(index)}
    listing = ["ls-files", "--others", "--exclude-standard", "-z", "--", *NEW_FILES]
    new = [name for name in os.fsdecode(_git(project, listing, environment)).split("\0") if name]
    if new:
        _git(project, ["--literal-pathspecs", "add", "--intent-to-add", "--", *new], environment)
    # Without the programs and colours of the user's own git settings.
    plainly = ["--no-ext-diff", "--no-textconv", "--no-color"]
    return _git(project, ["diff", *plainly, "HEAD", "--", "."], environment)


def _git(
    project: Path, words: Sequence[str], environment: Mapping[str, str] | None = None
) -> bytes:
    command = ["git", "-C", str(project), *words]
    done = subprocess.run(  # noqa: S603 - fixed words, and file names after `--`
        command, env=environment, capture_output=True, check=True, timeout=SECONDS_FOR_GIT
    )
    return done.stdout
