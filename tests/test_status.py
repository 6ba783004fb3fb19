"""The command that tells how a study stands."""

from pathlib import Path

import pytest
from rich.console import Console

from actscope.config import Tracking
from actscope.stacks import Resources
from actscope.status import main
from actscope.sweep import run_sweep
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
    assert main(["study=tests", f"tracking.uri={uri}"]) == 0
    said = capsys.readouterr().out
    assert "tests, sweep s1: finished" in said
    assert "# 4 finished" in said
    monkeypatch.setattr("actscope.status.code_hash", lambda: "changed")
    main(["study=tests", f"tracking.uri={uri}"])
    assert "4 stale since what changed is: code" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["study=none"], 1, "there is no store"),
        (["study=../x"], 2, "study='../x'"),
        (["study=Default"], 2, "study=Default: MLflow keeps this name for itself"),
        (["what=1"], 2, "what: there is no such setting"),
        (["quickstart"], 2, "give settings as name=value"),
    ],
)
def test_a_mistake_is_one_line(
    uri: str, capsys: pytest.CaptureFixture[str], words: list[str], code: int, reason: str
) -> None:
    assert main([*words, f"tracking.uri={uri}"]) == code
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1
