"""Whole jobs by actscope and by another tool's script, on little ones."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from benchmarks.rivals import jobs
from benchmarks.rivals.jobs import ACTSCOPE, Job, Turn, compared, install_hydraflow, turns
from benchmarks.rivals.plain_loop import ACTIVATIONS, Config, linear_layers, read, train, units
from benchmarks.timing import spent_by
from torch import nn

from actscope import tracking
from actscope.config import DataSource, Tracking
from actscope.errors import DataError
from actscope.project import ROOT

DIGITS = DataSource("digits", None)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images of two pixels, the brightest 16, as actscope keeps its copies of data sets."""
    pixels = np.arange(20, dtype=np.uint8).clip(max=16).reshape(10, 2)
    classes = np.arange(10, dtype=np.uint8)
    path = tmp_path / "images.npz"
    np.savez(path, pixels, classes, pixels[:5], classes[:5])
    return path


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_rivals_loop_is_plain_sgd(images: Path, activation: str) -> None:
    config = Config(f"{images}", activation, lr=0.05, hidden=3, epochs=2, batch_size=4)
    train_x, train_y, test_x, test_y = data = read(f"{images}")

    torch.manual_seed(config.seed)
    layers = linear_layers(inputs=2, hidden=3)
    model = nn.Sequential(layers[0], ACTIVATIONS[activation](3), layers[1])
    for _ in range(2):
        for rows in torch.randperm(10).split(4):
            model.zero_grad()
            nn.CrossEntropyLoss(reduction="sum")(model(train_x[rows]), train_y[rows]).backward()
            for parameter in model.parameters():
                parameter.data -= 0.05 * parameter.grad
    accuracy = float((model.eval()(test_x).argmax(1) == test_y).float().mean())

    trained = train(replace(config, record_every=6), data)
    assert trained.steps == [0, 6]
    torch.testing.assert_close(trained.records[-1], units(layers))
    assert ("test/accuracy", pytest.approx(accuracy), 2) in trained.metrics
    assert [name for name, _, epoch in trained.metrics if epoch == 1] == [
        "train/loss",
        "train/accuracy",
        "test/loss",
        "test/accuracy",
    ]


def test_the_rivals_table_has_a_row_for_each_step_and_unit(images: Path) -> None:
    config = Config(f"{images}", hidden=3, epochs=1, record_every=1)
    trained = train(config, read(f"{images}"))
    table = trained.table().to_pandas()
    assert table["step"].tolist() == [0] * 13 + [1] * 13
    assert table["unit"].tolist() == [*range(13)] * 2
    last = table.iloc[-1]
    assert (last["weight_mean"], last["bias"]) == tuple(trained.records[1][12].tolist())


def test_a_ratio_is_the_median_over_the_rounds() -> None:
    ours = [
        Turn("job", n, ACTSCOPE, cpu, 1.0, 2.0, 4.0) for n, cpu in enumerate([10.0, 20.0, 40.0])
    ]
    theirs = [
        Turn("job", n, "other", cpu, 3.0, 1.0, 2.0) for n, cpu in enumerate([30.0, 30.0, 30.0])
    ]
    both = compared([*ours, *theirs]).set_index("tool")
    assert both.loc[ACTSCOPE, ["cpu", "cpu_x", "wall_x"]].tolist() == [20.0, 1.0, 1.0]
    # 30 / 10, 30 / 20 and 30 / 40: the median is 1.5, as would not be that of all against all.
    assert both.loc["other", ["cpu", "cpu_x", "wall_x", "again_cpu_x"]].tolist() == [
        30,
        1.5,
        3,
        0.5,
    ]


def test_where_hydraflow_does_not_install_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert install_hydraflow(tmp_path / "rivals") == "plain MLflow"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hydraflow cannot be installed, plain MLflow is measured: ERROR: ")


def test_an_installed_hydraflow_is_named_with_its_version(tmp_path: Path) -> None:
    (tmp_path / "hydraflow-0.14.4.dist-info").mkdir()
    about = tmp_path / "hydraflow-0.14.4.dist-info" / "METADATA"
    about.write_text("Metadata-Version: 2.4\nName: hydraflow\nVersion: 0.14.4\n")
    assert install_hydraflow(tmp_path) == "hydraflow 0.14.4"


def test_without_its_data_no_job_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "spent_by", None)  # a measurement would call it
    damaged = tmp_path / "MNIST" / "raw"
    damaged.parent.mkdir()
    damaged.write_text("no folder")  # so that nothing can be downloaded
    missing = replace(jobs.JOBS[1], data=DataSource("mnist", str(tmp_path)))
    with pytest.raises(DataError, match="data=mnist"):
        list(turns([jobs.JOBS[0], missing], 1, "plain MLflow"))


@pytest.mark.slow
def test_the_rival_tracks_each_point_once(images: Path, tmp_path: Path) -> None:
    store = Tracking(f"sqlite:///{tmp_path}/mlflow.db")
    environment = {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": f"{store.uri}"}
    words = ["-m", "benchmarks.rivals.hydraflow_sweep", "-m", f"data={images}", "epochs=2"]
    for seeds in ("seed=0,1", "seed=0,1,2"):
        spent_by([sys.executable, *words, seeds], environment, tmp_path)
    client = tracking.locate_store(store).client
    (experiment,) = (e for e in client.search_experiments() if e.name == "hydraflow_sweep")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.params["seed"] for run in runs) == ["0", "1", "2"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(client.get_metric_history(runs[0].info.run_id, "test/accuracy")) == 2
    assert len(list(tmp_path.glob("mlruns/*/*/artifacts/trajectory.parquet"))) == 3


@pytest.mark.slow
def test_each_tool_does_each_job_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "INSTALLED", tmp_path)  # so without hydraflow
    small = ("activation=relu", "lr=0.01", "seed=0,1")
    epoch = ("train.epochs=1", "model.hidden=[4]")
    job = Job("small", DIGITS, small, epoch, ("epochs=1", "hidden=4"))
    told: list[None] = []
    measured = list(turns([job], 1, "plain MLflow", lambda: told.append(None)))
    assert [turn.tool for turn in measured] == [
        ACTSCOPE,
        "actscope, one process",
        "plain MLflow, one process",
        "plain MLflow, two processes",
    ]
    assert len(told) == 4
    numbers = pd.DataFrame(measured)[["cpu", "wall", "again_cpu", "again_wall"]]
    assert (numbers > 0).all(axis=None)
