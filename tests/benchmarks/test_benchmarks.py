"""The benchmark measures what it says, on little ones."""

import resource
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import Mock
from urllib.error import URLError

import pandas as pd
import pytest
import torch
from benchmarks.growth import growth, growth_on_server
from benchmarks.sweeps import costs_of
from benchmarks.timing import BenchError, interleaved, spent_by, spread
from torch.nn import functional

from actscope.commands.postgres import find_programs
from actscope.errors import StoreError
from benchmarks import app, commands, steps

MACHINE = {
    "date": "2026-01-02",
    "processor": "Abacus",
    "cores": "2",
    "instructions": "AVX2",
    "torch": "2",
    "python": "3",
}
COSTS = {
    "study": "quickstart",
    "runs": 4,
    "workers": 2,
    "wall": 30.0,
    "report_wall": 9.0,
    "to_first_run": 5.0,
    "starting": 4.0,
    "training": 20.0,
    "recording": 3.0,
    "tracking": 2.0,
    "rest": 8.0,
    "report": 7.0,
    "shown": 0.034,
}

COMMANDS = ["compose", "train and track", "find all finished", "report"]


def test_cases_take_turns_and_the_first_round_is_not_counted() -> None:
    turns: list[str] = []

    def case(name: str, units: int) -> int:
        turns.append(name)
        return units

    rounds = interleaved({"a": lambda: case("a", 1), "b": lambda: case("b", 5)}, rounds=2)
    assert turns == ["a", "b"] * 3
    assert rounds.shape == (2, 2)


def test_a_case_is_told_by_the_unit() -> None:
    def work() -> int:
        sum(range(3_000_000))
        return 3

    def same_work_as_one() -> int:
        sum(range(3_000_000))
        return 1

    (ratio,) = interleaved({"three": work, "one": same_work_as_one}, 1).eval("one / three")
    assert 1 < ratio < 9


def test_the_spread_is_the_median_and_the_quartiles() -> None:
    told = spread(pd.DataFrame({"case": [5.0, 1.0, 2.0, 3.0, 4.0]}))
    assert told.loc["case"].to_dict() == {"median": 3.0, "low": 2.0, "high": 4.0}


def test_what_a_command_takes_is_counted_with_the_processes_below_it() -> None:
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    below = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    spent = spent_by([sys.executable, "-c", below], {})
    assert spent.cpu >= 0.4
    assert spent.wall >= 0.4
    assert spent.peak > 2**20


def test_the_memory_of_a_command_is_not_that_of_the_process_that_measures_it() -> None:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 2**20 < spent_by([sys.executable, "-c", "pass"], {}).peak < own / 4
    large = f"b'1' * {own}"
    assert spent_by([sys.executable, "-c", large], {}).peak > own


def test_a_command_that_fails_is_told_with_its_last_line() -> None:
    with pytest.raises(BenchError, match=r"failed \(3\): alas$"):
        spent_by([sys.executable, "-c", "print('alas'); raise SystemExit(3)"], {})


def test_a_step_by_hand_is_that_of_autograd() -> None:
    rng = torch.Generator().manual_seed(0)
    shapes = (3, 8, 5), (3, 1, 5), (3, 5, 4), (3, 1, 4)
    network = [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in shapes]
    x = torch.randn(6, 8, generator=rng, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 1, 1])
    rates = torch.tensor([0.01, 0.02, 0.03], dtype=torch.float64)

    expected = []
    for run, rate in enumerate(rates):
        own = [tensor[run].clone().requires_grad_() for tensor in network]
        hidden, hidden_bias, output, output_bias = own
        logits = (x @ hidden + hidden_bias).relu() @ output + output_bias
        functional.cross_entropy(logits, y, reduction="sum").backward()
        expected.append([tensor.detach() - rate * tensor.grad for tensor in own])

    targets = torch.eye(4, dtype=torch.float64)[y].mT
    steps.step_by_hand(*network, x, targets, rates.view(3, 1, 1))
    for tensor, runs in zip(network, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(tensor, torch.stack(runs), rtol=1e-12, atol=1e-12)


def test_every_case_of_the_steps_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"TRAIN": 1000, "TEST": 40, "STEPS": 10, "HIDDEN": 8, "STACKS": (1, 5)}
    for name, value in small.items():
        monkeypatch.setattr(steps, name, value)
    done = {name: work() for name, work in steps.cases().items()}
    assert done.pop("floor") == done.pop("floor, 16 layers") == 20
    assert done.pop("by hand, 20 of ReLU") == 200
    assert done.pop("plain loop") == 10
    assert done.pop("DataLoader loop") == 1
    assert {name: int(name.split()[2].rstrip(",")) * 10 for name in done} == done


def test_what_was_measured_is_told_in_tables() -> None:
    step = {"case": "floor", "median": 0.25, "low": 0.2, "high": 0.3, "floors": 1.0}
    grown = {"part": "compose", "points": 10, "wall": 2.0, "peak": 2**20, "a_point": 200.0}
    job = {
        "job": "quickstart",
        "tool": "other",
        "cpu": 50.0,
        "wall": 51.0,
        "cpu_x": 2.5,
        "wall_x": 3,
    }
    again = {"again_cpu": 6.0, "again_cpu_x": 4.0, "again_wall": 7.0, "again_wall_x": 3.5}
    waited = {"command": "actscope status", "wall": 0.5, "cpu": 0.4}
    text = app.as_markdown(
        {
            "machine": MACHINE,
            "rivals": [{**job, **again}],
            "commands": [waited],
            "steps": [step],
            "sweeps": [COSTS],
            "growth": [grown],
        }
    )
    assert "| quickstart | other | 50.0 | 2.50 | 51.0 | 3.00 | 6.0 | 4.00 | 7.0 | 3.50 |" in text
    assert "| `actscope status` | 0.50 | 0.40 |" in text
    assert "Abacus, 2 cores, AVX2; torch 2, Python 3; 2026-01-02." in text
    assert "| floor | 0.250 | 0.200 to 0.300 | 1.00 |" in text
    assert "| quickstart | 4 | 2 | 30.0 | 9.0 | 5.0 | 4.0 | 20.0 | 3.0 | 2.0 | 8.0 |" in text
    assert "| 8.0 | 7.0 | 0.500 | 3.4 |" in text
    assert "| compose | 10 | 2.00 | 200.00 | 1 |" in text


def test_the_bars_add_up_to_the_whole() -> None:
    (ax,) = app.draw([COSTS]).axes
    assert sum(bar.get_width() for bar in ax.patches) == 4 + 20 + 3 + 2 + 8 + 7


@pytest.mark.slow
def test_costs_of_a_sweep_are_its_own(tmp_path: Path) -> None:
    grid = ["activation=relu", "lr=0.01,0.001", "seed=0,1", "train.epochs=2", "model.hidden=[4]"]
    costs = costs_of("small", grid, workers=1, folder=tmp_path)
    assert (costs.study, costs.runs) == ("small", 4)
    parts = costs.starting + costs.training + costs.recording + costs.tracking
    assert 0 < costs.to_first_run < costs.wall
    assert min(costs.starting, costs.training, costs.tracking, costs.report, costs.shown) > 0
    assert parts > 0


@pytest.mark.slow
def test_each_command_is_waited_for_in_each_round(tmp_path: Path) -> None:
    small = ("activation=relu", "lr=0.01", "seed=0", "train.epochs=1", "model.hidden=[4]")
    told: list[None] = []
    waited = commands.waits(tmp_path, 2, small, lambda: told.append(None))
    assert [one.command for one in waited] == list(commands.COMMANDS)
    assert len(told) == 2 * len(commands.COMMANDS)
    assert all(one.wall > 0 and one.cpu > 0 for one in waited)
    assert (tmp_path / "reports" / "quickstart" / "index.html").exists()


@pytest.mark.slow
def test_growth_is_measured_part_by_part(tmp_path: Path) -> None:
    measured = list(growth(10, workers=0, folder=tmp_path))
    assert [row.part for row in measured] == [*COMMANDS, "read the run index"]
    assert all(row.points == 10 and row.wall > 0 for row in measured)


@pytest.mark.slow
def test_growth_on_a_server_is_measured_by_the_same_commands() -> None:
    try:
        find_programs()
    except StoreError as error:
        pytest.skip(str(error))
    # Not pytest's own folder, which the user that PostgreSQL runs as may not enter.
    with TemporaryDirectory(prefix="actscope-bench-") as folder:
        measured = list(growth_on_server(10, workers=0, folder=Path(folder)))
    showing = ["live metrics of a stack", "live metrics of a stack, CPU"]
    assert [row.part for row in measured] == [*COMMANDS, *showing]
    assert all(row.points == 10 and row.wall > 0 for row in measured)
    assert measured[-1].wall <= measured[-2].wall


def test_without_mnist_no_sweep_is_begun(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = replace(app.MNIST, root=str(tmp_path / "elsewhere"))
    monkeypatch.setattr(app, "MNIST", elsewhere)
    monkeypatch.setattr("urllib.request.urlopen", Mock(side_effect=URLError("no network")))
    monkeypatch.setattr(app, "costs_of", Mock(side_effect=AssertionError))
    assert app.main(["part=sweeps", f"folder={tmp_path}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("actscope: data=mnist: ")


def test_a_part_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["part=lunch"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    parts = "'rivals', 'commands', 'steps', 'sweeps', 'growth', 'server', 'own' or 'gpu'"
    assert line == f"actscope: part='lunch': must be {parts}."
