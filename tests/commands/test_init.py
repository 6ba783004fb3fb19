"""The command that begins a study with a network of one's own."""

import ast
import sys
from pathlib import Path

import pytest

from actscope.commands.init import NAME
from actscope.commands.main import main
from actscope.engine.images import describe_data
from actscope.parsing import parse_point
from actscope.sweep.stacks import check_trainable
from tests.support.fixtures import Compose

FILES = {
    *(".gitignore", "Makefile", "README.md", "conf/experiment/fate.yaml"),
    *("conf/model/small_cnn.yaml", "fate/__init__.py", "fate/net.py"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_a_folder_with_the_study_s_name_in_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "fate"]) == 0
    said = capsys.readouterr().out
    assert "cd fate\n" in said
    assert "sweep experiment=fate\n" in said
    written = {path for path in (folder / "fate").rglob("*") if path.is_file()}
    assert {str(path.relative_to(folder / "fate")) for path in written} == FILES
    texts = {path.name: path.read_text() for path in written}
    assert [name for name, text in texts.items() if NAME in text] == []
    assert "_target_: fate.net.SmallCNN" in texts["small_cnn.yaml"]
    ast.parse(texts["net.py"])


def test_its_grid_can_be_trained(
    folder: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["init", "fate"]) == 0
    monkeypatch.chdir(folder / "fate")
    monkeypatch.syspath_prepend(folder / "fate")
    config = compose("experiment=fate", "activation=elu", "lr=0.1", "seed=0")
    point = parse_point(config)
    assert point.study == "fate"
    assert point.train.reduction == "mean"
    check_trainable(point, describe_data(point.data))
    for module in ("fate", "fate.net"):
        del sys.modules[module]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        *((name, "is not the name of a Python package") for name in ("9x", "a-b", "a.b", "é", "")),
        *((name, "is not the name of a Python package") for name in ("class", "_x", "a/b", "..")),
        ("x" * 65, "must have at most 64 characters"),
        *((name, "actscope itself uses this name") for name in ("conf", "edge", "Default")),
        *((name, "an installed module of this name") for name in ("json", "torch", "actscope")),
        ("there", "exists already"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(
    folder: Path, name: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "there").touch()
    assert main(["init", name]) == 2
    said = capsys.readouterr().err
    assert said.startswith("actscope: init ")
    assert problem in said
    assert said.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["there"]


@pytest.mark.parametrize("words", [[], ["a", "b"], ["study=a"], ["--yes"]])
def test_it_takes_one_name(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *words]) == 2
    assert "needs one name, and nothing else" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_no_study_begins_in_a_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mlflow.db").touch()
    (folder / "artifacts").mkdir()
    monkeypatch.chdir(folder / "artifacts")
    assert main(["init", "fate"]) == 2
    assert "belongs to a store or a bundle" in capsys.readouterr().err
