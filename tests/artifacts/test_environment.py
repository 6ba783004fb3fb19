"""Each sweep keeps the list of installed packages and the uncommitted changes."""

import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.console import Console

from actscope import tracking
from actscope.artifacts import environment
from actscope.artifacts.environment import uncommitted_changes
from actscope.config import Tracking
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done
from actscope.sweep.runner import run_alone, run_sweep
from tests.support.making import make_point

POINT = make_point(hidden=(4,), epochs=1, every="epoch")
SECRET = "token: abc"  # noqa: S105 - of a test


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project with one commit, a changed file, new files, and one that git ignores."""
    project = tmp_path / "checkout"
    (project / "conf").mkdir(parents=True)
    for name, text in {"code.py": "a = 1\n", ".gitignore": "conf/secret.yaml\n"}.items():
        (project / name).write_text(text)
    own = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*own, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    (project / "code.py").write_text("a = 2\n")
    (project / "new one.py").write_text("b = 3\n")
    (project / "conf" / "mine.yaml").write_text("lr: 1\n")
    (project / "conf" / "secret.yaml").write_text(SECRET)
    (project / ".env").write_text(SECRET)
    return project


def git_status(project: Path) -> str:
    words = ["git", "status", "--porcelain"]
    return subprocess.run(words, cwd=project, check=True, capture_output=True, text=True).stdout


def test_a_patch_makes_the_files_of_the_commit_what_they_are(
    checkout: Path, tmp_path: Path
) -> None:
    before = git_status(checkout)
    patch = uncommitted_changes(checkout)
    assert git_status(checkout) == before
    assert SECRET.encode() not in patch
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", checkout, clone], check=True)
    subprocess.run(["git", "apply", "-"], cwd=clone, input=patch, check=True)
    for name in ("code.py", "new one.py", "conf/mine.yaml"):
        assert (clone / name).read_bytes() == (checkout / name).read_bytes()
    assert not (clone / ".env").exists()


def test_a_patch_has_a_change_that_a_files_size_and_time_do_not_show(checkout: Path) -> None:
    code, index = checkout / "code.py", checkout / ".git" / "index"
    for key, value in {"core.trustctime": "false", "core.checkStat": "minimal"}.items():
        subprocess.run(["git", "config", key, value], cwd=checkout, check=True)
    code.write_text("a = 1\n")
    os.utime(code, (1e9, 1e9))
    subprocess.run(["git", "add", "code.py"], cwd=checkout, check=True)
    code.write_text("a = 2\n")
    for file in (code, index):
        os.utime(file, (1e9, 1e9))
    assert b"+a = 2" in uncommitted_changes(checkout)


def test_a_patch_that_is_too_large_is_left_out(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(uncommitted_changes(checkout))
    monkeypatch.setattr(environment, "LARGEST_PATCH", size - 1)
    told = f"Left out: the patch has {size} bytes, more than {size - 1}.\n"
    assert uncommitted_changes(checkout).decode() == told


def test_there_is_no_patch_without_changes_without_a_checkout_or_without_git(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert uncommitted_changes(tmp_path) == b""
    subprocess.run(["git", "clean", "-fdq"], cwd=checkout, check=True)
    subprocess.run(["git", "checkout", "-q", "."], cwd=checkout, check=True)
    assert uncommitted_changes(checkout) == b""
    (checkout / "code.py").write_text("a = 2\n")
    monkeypatch.setenv("PATH", "/nowhere")
    assert uncommitted_changes(checkout) == b""


@pytest.mark.parametrize("is_alone", [False, True])
@pytest.mark.parametrize("patch", [False, True])
def test_a_sweep_and_a_run_alone_keep_them(
    is_alone: bool, patch: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "uncommitted_changes", lambda: b"a change\n")
    settings = Tracking(f"sqlite:///{tmp_path}/mlruns/mlflow.db", patch=patch)
    console = Console(quiet=True)
    if is_alone:
        result = run_alone(POINT, settings, "s1", console)
        assert isinstance(result, Done)
        run_id = result.run_id
    else:
        run_sweep([POINT], settings, "s1", Resources(0), console)
    store = tracking.locate_store(settings)
    if not is_alone:
        experiment_id = store.find_experiment(POINT.study).experiment_id
        (run_id,) = [a.run_id for a in tracking.read_summaries(store, experiment_id) if a.is_sweep]
    with store.artifact(POINT.study, run_id, environment.PACKAGES) as path:
        assert f"torch=={version('torch')}" in path.read_text().splitlines()
    names = [file.path for file in store.client.list_artifacts(run_id)]
    assert (environment.PATCH in names) == patch
