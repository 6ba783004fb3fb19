"""A command that a message suggests runs as it is pasted, in the same folder, on the same store."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from actscope.command_line import suggestions
from actscope.project import ROOT
from tests.support.processes import Start
from tests.support.stores import store_at

PROJECTS_OWN = f"sqlite:///{ROOT}/mlruns/mlflow.db"
VARIABLE = "MLFLOW_TRACKING_URI"


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a command of the project's environment, in its folder, on its own store."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "prefix", str(ROOT / ".venv"))
    monkeypatch.setattr(sys, "executable", str(ROOT / ".venv" / "bin" / "python"))
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (("report", "study=mine"), "make report STUDY=mine"),
        (("report", "study=mine", "report.seed=3"), "make report STUDY=mine ARGS=report.seed=3"),
        (("report", "report.compare=[a,b]"), "make report ARGS='report.compare=[a,b]'"),
        (("sweep", "study=mine"), "make sweep ARGS=study=mine"),
        (("sync",), "make sync"),
        # `make` would read a dollar sign itself.
        (("report", "report.folder=$x"), ".venv/bin/python -m actscope report 'report.folder=$x'"),
    ],
)
def test_a_command_is_one_of_make_in_the_project(words: tuple[str, ...], suggested: str) -> None:
    assert suggestions.command(*words, store=store_at(PROJECTS_OWN)) == suggested
    if suggested.startswith("make"):
        dry = ["make", "-n", *shlex.split(suggested)[1:]]
        done = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True)
        asked = [word.removeprefix("study=") for word in words[1:]]
        assert all(word in done.stdout for word in asked)


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize(
    ("given", "uri", "prefix"),
    [
        (None, PROJECTS_OWN, ""),
        (None, "sqlite:////tmp/a b.db", "MLFLOW_TRACKING_URI='sqlite:////tmp/a b.db' "),
        (None, "http://me:secret@host:5000", "MLFLOW_TRACKING_URI=http://host:5000 "),
        ("http://me:secret@host:5000", "http://me:secret@host:5000", ""),
        ("sqlite:///other.db", f"sqlite:///{ROOT}/other.db", ""),
        ("http://host:5000", PROJECTS_OWN, f"MLFLOW_TRACKING_URI={PROJECTS_OWN} "),
    ],
)
def test_a_command_names_a_store_that_it_would_not_find(
    given: str | None, uri: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is not None:
        monkeypatch.setenv(VARIABLE, given)
    assert suggestions.command("sync", store=store_at(uri)) == f"{prefix}make sync"


def test_a_command_is_one_of_python_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    assert suggestions.command("sweep", "lr=1") == "bin/python -m actscope sweep lr=1"
    assert suggestions.install("server") == shlex.join(
        ["bin/python", "-m", "pip", "install", "-e", f"{ROOT}[server]"]
    )


def test_a_study_is_trained_by_the_experiment_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert suggestions.training("edge").endswith("-m actscope sweep experiment=edge")
    assert suggestions.training("mine").endswith("-m actscope sweep study=mine")


def test_a_command_line_is_given_again_without_credentials() -> None:
    words = ["-m", "model.hidden=[8, 4]", "tracking.uri=http://me:secret@host"]
    again = suggestions.again(words, store_at("http://me:secret@host"))
    assert shlex.split(again)[1:] == [
        *("-m", "actscope", "-m", "model.hidden=[8, 4]", "tracking.uri=http://host")
    ]


@pytest.mark.slow
def test_what_a_sweep_suggests_runs_as_it_is_pasted(
    project: Path, begin: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(project / "src"))
    words = [f"tracking.uri=sqlite:///{folder}/mlflow.db", "study=mine", "activation=relu"]
    tiny = ["lr=0.01", "seed=0,1", "train.epochs=1", "hydra.launcher.workers=0"]
    said, _ = begin("actscope", "-m", *words, *tiny, cwd=folder).communicate(timeout=240)
    (line,) = [line for line in said.splitlines() if line.startswith("next:")]
    report, ui = line.removeprefix("next:").split("   or   ")
    assert ui.endswith("-m actscope ui")
    pasted = ["bash", "-c", report]
    done = subprocess.run(pasted, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (project / "reports" / "mine" / "index.html").exists()
