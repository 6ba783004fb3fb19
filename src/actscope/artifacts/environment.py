"""What a sweep was trained with beside its settings: installed packages, uncommitted changes."""

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
# New files count where git does not ignore them and they are code or configuration: no others, as
# they may hold data or secrets.
NEW_FILES = ("*.py", "conf/*.yaml")


def gather(*, patch: bool) -> dict[str, bytes]:
    """The files that tell of it, by name; with `patch` also what differs from the commit."""
    files = {PACKAGES: installed_packages().encode()}
    changes = uncommitted_changes() if patch else b""
    return {**files, PATCH: changes} if changes else files


def installed_packages() -> str:
    """Every package that can be imported here, as pip pins them, a line each."""
    pins = {pin for found in distributions() if (pin := _pin(found))}
    return "".join(f"{pin}\n" for pin in sorted(pins, key=str.casefold))


def uncommitted_changes(project: Path = ROOT) -> bytes:
    """A patch from the commit to the project's files; nothing where git or its checkout is absent.

    One that is larger than LARGEST_PATCH is a line that says so.
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
    # Not its `metadata`: to parse all of every package takes a second.
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    name, version = (re.search(rf"^{key}: *(\S+)", text, re.M) for key in ("Name", "Version"))
    return f"{name[1]}=={version[1]}" if name and version else None


def _diff(project: Path, index: Path) -> bytes:
    """Diff with an index of our own, in which new files are announced: git shows no others."""
    own = _git(project, ["rev-parse", "--git-path", "index"])
    shutil.copyfile(project / os.fsdecode(own).strip(), index)
    environment = {**os.environ, "GIT_INDEX_FILE": str(index)}
    listing = ["ls-files", "--others", "--exclude-standard", "-z", "--", *NEW_FILES]
    new = [name for name in os.fsdecode(_git(project, listing, environment)).split("\0") if name]
    if new:
        _git(project, ["--literal-pathspecs", "add", "--intent-to-add", "--", *new], environment)
    # Neither programs nor colours that a user has git show differences with.
    plainly = ["--no-ext-diff", "--no-textconv", "--no-color"]
    return _git(project, ["diff", *plainly, "HEAD", "--", "."], environment)


def _git(
    project: Path, words: Sequence[str], environment: Mapping[str, str] | None = None
) -> bytes:
    command = ["git", "-C", str(project), *words]
    done = subprocess.run(  # noqa: S603 - git's own words, and names of files behind `--`
        command, env=environment, capture_output=True, check=True, timeout=SECONDS_FOR_GIT
    )
    return done.stdout
