"""The command that tells how a study stands."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from actscope import tracking
from actscope.commands import status
from actscope.commands.main import main
from actscope.config import Activation, DataSource, Tracking
from actscope.network_settings import OwnNetwork
from actscope.own_source import sources_of
from actscope.runtime.own_folder import OWN_CONF
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Result
from actscope.sweep.runner import run_sweep
from tests.support.making import ELU, RELU, make_point

GRID = [
    make_point(activation, lr=lr, hidden=(4,), epochs=1, every="epoch")
    for activation in (RELU, ELU)
    for lr in (0.001, 0.01)
]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlruns/mlflow.db"


def test_a_mark_a_point_and_what_has_changed(
    uri: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sweep(GRID, Tracking(uri), "s1", Resources(0, 20), Console(quiet=True))
    assert main(["status", "study=tests", f"tracking.uri={uri}"]) == 0
    said = capsys.readouterr().out
    assert "tests, sweep s1: finished" in said
    assert "# 4 finished" in said
    monkeypatch.setattr("actscope.commands.status.code_hash", lambda: "changed")
    main(["status", "study=tests", f"tracking.uri={uri}"])
    assert "4 stale. Changed since their training: code" in capsys.readouterr().out


ACTIVATION = """
import torch
class Mine(torch.nn.Module):
    def forward(self, x):
        return torch.{}(x)
"""
NETWORK = """
import torch
class Mine(torch.nn.Module):
    def __init__(self, activation, classes, in_shape):
        super().__init__()
        self.hidden = torch.nn.Linear(64, 4)
        self.act = activation()
        self.output = torch.nn.Linear(4, classes)
    def forward(self, x):
        return self.output(torch.{}(self.act(self.hidden(x.flatten(1)))))
"""
SMALL = make_point(hidden=(4,), epochs=1, every="epoch")
OWN = {  # by the group of its file: the code of a class, that file, and a point
    "activation": (
        ACTIVATION,
        "name: mine\nfunction:\n  _target_: edited.Mine\n",
        replace(SMALL, activation=Activation("mine", "edited.Mine")),
    ),
    "model": (NETWORK, "_target_: edited.Mine\n", replace(SMALL, model=OwnNetwork("edited.Mine"))),
}


@pytest.mark.parametrize("group", OWN)
def test_an_edited_class_is_stale_and_trained_again(
    group: str,
    uri: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, file, mine = OWN[group]

    def write(function: str) -> None:
        (tmp_path / "edited.py").write_text(code.format(function))
        # As in another process.
        sys.modules.pop("edited", None)
        importlib.invalidate_caches()
        sources_of.cache_clear()
        status._code_today.cache_clear()

    def ask() -> str:
        assert main(["status", "study=tests", f"tracking.uri={uri}"]) == 0
        return capsys.readouterr().out

    def sweep(name: str) -> Result:
        resources = Resources(0, 20)
        return run_sweep([mine], Tracking(uri), name, resources, Console(quiet=True))[mine]

    monkeypatch.syspath_prepend(tmp_path)
    write("relu")
    first = sweep("s1")
    assert "class   edited.Mine: its code was not compared" in ask()
    conf = tmp_path / "conf" / group
    conf.mkdir(parents=True)
    (conf / "mine.yaml").write_text(file)
    monkeypatch.setenv(OWN_CONF, str(tmp_path / "conf"))
    write("relu")
    assert "# 1 finished" in ask()
    unchanged = sweep("s2")
    assert isinstance(first, Done)
    assert isinstance(unchanged, Done)
    # The validation's value is nan, which equals nothing.
    as_first = replace(first, is_earlier=True, validation_final=0.0)
    assert as_first == replace(unchanged, validation_final=0.0)
    write("tanh")
    assert f"1 stale. Changed since their training: {group}_code" in ask()
    again = sweep("s3")
    assert isinstance(again, Done)
    assert not again.is_earlier
    assert "# 1 finished" in ask()


def test_a_version_of_torch_that_is_another_is_told(
    uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_sweep(GRID, Tracking(uri), "s1", Resources(0, 20), Console(quiet=True))
    assert main(["status", "study=tests", f"tracking.uri={uri}"]) == 0
    assert "torch " not in capsys.readouterr().out
    store = tracking.locate_store(Tracking(uri))
    runs = tracking.read_runs(store, "tests")["run_id"]
    installed = torch.__version__.partition("+")[0]
    another_build = f'{{"torch": "{installed}+cu999"}}'
    platforms = ['{"torch": "0.1+cpu"}', '{"torch": "0.1"}', "[1", another_build]
    for run_id, platform in zip(runs, platforms, strict=True):
        store.client.set_tag(run_id, "actscope.platform", platform)
    main(["status", "study=tests", f"tracking.uri={uri}"])
    said = capsys.readouterr().out
    assert f"torch   0.1 trained 2 of the points; installed is {installed}\n" in said
    assert "torch   an unknown version trained 1 of the points" in said
    assert said.count("torch ") == 2


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["study=none"], 1, "there is no store"),
        (["study=../x"], 2, "study='../x'"),
        (["study=Default"], 2, "study=Default: MLflow reserves this name"),
        (["what=1"], 2, "what: unknown setting"),
        (["quickstart"], 2, "Give settings as name=value."),
    ],
)
def test_a_mistake_is_one_line(
    uri: str, capsys: pytest.CaptureFixture[str], words: list[str], code: int, reason: str
) -> None:
    assert main(["status", *words, f"tracking.uri={uri}"]) == code
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


def test_data_of_an_unknown_function_are_not_read_again(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "tests.support.own_data.tensors"
    point = replace(GRID[0], data=DataSource(path, arguments=(("train", 30),)))
    run_sweep([point], Tracking(uri), "s1", Resources(0, 20), Console(quiet=True))
    assert main(["status", "study=tests", f"tracking.uri={uri}"]) == 0
    said = capsys.readouterr().out
    assert f"data    {path}: was not read again. No file in conf/data names it." in said
    assert "# 1 finished" in said
    assert main(["verify", "study=tests", f"tracking.uri={uri}"]) == 2
    assert "not imported, because no file of conf/data names it" in capsys.readouterr().err
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "own.yaml").write_text(f"_target_: {path}\n")
    monkeypatch.setenv(OWN_CONF, str(tmp_path))
    status._data_today.cache_clear()
    assert main(["status", "study=tests", f"tracking.uri={uri}"]) == 0
    said = capsys.readouterr().out
    assert "was not read again" not in said
    assert "# 1 finished" in said
    assert main(["verify", "study=tests", f"tracking.uri={uri}"]) == 0
    assert capsys.readouterr().out.startswith("identical: run ")
