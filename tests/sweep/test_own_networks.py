"""Sweeps of a user's own network: stored, read, verified, and with a network that fails."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from actscope import tracking
from actscope.analysis.frames import read_study
from actscope.analysis.units import read_units
from actscope.commands.main import main
from actscope.config import Point, Tracking
from actscope.network_settings import OwnNetwork
from actscope.report.tables.units import readable_by_layer
from actscope.report.text.methods import methods
from actscope.sweep.console import print_stacks
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed
from actscope.sweep.runner import run_sweep
from actscope.sweep.stacks import make_stacks
from actscope.tracking import Store, open_store
from tests.support.making import ELU, RELU, make_point

OWN = "tests.support.own_networks"
QUIET = Console(quiet=True)


def own(name: str, **settings: object) -> Point:
    point = make_point(epochs=1, every=10, batch_size=100, reduction="mean", lr=0.1)
    return replace(point, model=OwnNetwork(f"{OWN}.{name}"), **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A study of two activations and two seeds, and a run that fails in mid-training."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/mlruns/mlflow.db"
    grid = [own("Residual", activation=a, seed=seed) for a in (RELU, ELU) for seed in (0, 1)]
    failing = own("FailsLater", seed=2)
    results = run_sweep([*grid, failing], Tracking(uri), "s1", Resources(0, None), QUIET)
    assert all(isinstance(results[point], Done) for point in grid)
    assert isinstance(results[failing], Failed)
    assert results[failing].reason == (
        f"TrainingError: model: {OWN}.FailsLater fails: ValueError: too late"
    )
    return open_store(Tracking(uri))


def test_reports_name_the_layers_of_the_network(store):
    units = read_units(store, read_study(store, "tests"))
    assert set(units.layer_names.values()) == {"first", "second", "last"}
    table = readable_by_layer(units.by_layer)
    assert table["layer"].tolist()[:3] == ["1, first", "2, second", "3, last, output"]
    assert units.fates.groupby("layer").size().tolist() == [4 * 6, 4 * 6, 4 * 10]


def test_methods_name_the_network(store):
    said = methods(read_study(store, "tests"))
    assert said["networks"] == [f"{OWN}.Residual"]
    assert said["hidden"] == ""
    assert said["optimiser"] == "Plain SGD"


@pytest.mark.parametrize("is_own", [True, False])
def test_a_sweep_tells_that_a_network_of_ones_own_trains_one_run_at_a_time(is_own):
    point = own("Perceptron") if is_own else make_point()
    resources, screen = Resources(0), StringIO()
    stacks = make_stacks([replace(point, seed=seed) for seed in range(3)], resources)
    print_stacks(Console(file=screen, width=200), stacks, resources)
    method = ["method  a network of your own trains one run at a time, by autograd"]
    number = "3 of 1 point" if is_own else "1 of at most 3 points"
    assert screen.getvalue().splitlines() == [
        f"stacks  {number}, on this process",
        *(method if is_own else []),
    ]


def test_finished_points_are_not_trained_again(store):
    results = run_sweep(
        [own("Residual", activation=ELU, seed=1)], Tracking(store.uri), "s2", Resources(0), QUIET
    )
    (result,) = results.values()
    assert isinstance(result, Done)
    assert result.training is None


def test_a_run_of_an_unknown_class_is_not_imported_to_verify_it(store, capsys):
    assert main(["verify", "study=tests", f"tracking.uri={store.uri}"]) == 2
    assert "not imported" in capsys.readouterr().err


def test_a_run_has_the_same_numbers_again(
    store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "residual.yaml").write_text(f"_target_: {OWN}.Residual\n")
    monkeypatch.setenv("ACTSCOPE_CONFIG_DIR", str(tmp_path))
    assert main(["verify", "study=tests", f"tracking.uri={store.uri}"]) == 0
    assert capsys.readouterr().out.startswith("identical: run ")


def test_the_failed_run_has_its_traceback(store):
    experiment = tracking.read_summaries(store, store.find_experiment("tests").experiment_id)
    (failed,) = [run for run in experiment if run.is_point and run.status == "FAILED"]
    with store.artifact("tests", failed.run_id, "traceback.txt") as path:
        assert "ValueError: too late" in path.read_text()
