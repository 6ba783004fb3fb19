"""Numbers as targets: the loss and metrics by hand, against plain torch, and what is refused."""

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn

from actscope.config import DataSource, Point, Train
from actscope.engine.autoencoder import Autoencoder, digits
from actscope.engine.data import Data, load_data
from actscope.engine.history import Tally
from actscope.engine.images import describe_data
from actscope.engine.minibatches import shuffled_rows
from actscope.engine.objective import Measures, example_losses, is_right
from actscope.engine.result import Outcome, RunResult
from actscope.engine.train import Training, steady_arithmetic
from actscope.errors import ConfigError
from actscope.network_settings import OwnNetwork
from actscope.sweep.stacks import check_trainable
from tests.support.making import TANH, make_point

NET = OwnNetwork("actscope.engine.autoencoder.Autoencoder", (("hidden", (5,)),))
TARGETS = DataSource("tests.support.own_data.targets")
EPOCHS, BATCH, RATE = 30, 10, 0.2


def regression(**settings: Any) -> Point:
    train = Train(EPOCHS, BATCH, "mean", momentum=0.5, loss="mse", **settings)
    point = make_point(TANH, lr=RATE, every=1)
    return replace(point, model=NET, data=TARGETS, train=train)


def trained(point: Point, data: Data) -> tuple[RunResult, Training]:
    training = Training([point], data, torch.float64)
    with steady_arithmetic():
        list(training.steps())
        return training.results()[0], training


def test_the_loss_is_the_mean_square_over_a_target() -> None:
    outputs = torch.tensor([[[1.0, 2.0], [0.0, 0.0]]])  # [1 run, 2 examples, 2 numbers]
    y = torch.tensor([[[0.0, 0.0], [0.0, 4.0]]])
    assert example_losses(outputs, y).tolist() == [[2.5, 8.0]]
    assert is_right(outputs, y).shape == (1, 0)


def test_r2_and_rmse_by_hand() -> None:
    """Targets 0 and 2 vary by 1, and 1 and 5 by 4, 2.5 on average. Their losses are 0.5 and 2."""
    y = torch.tensor([[0.0, 1.0], [2.0, 5.0]])
    x = torch.zeros(2, 3)
    measures = Measures.of(Data("made", x, y, x[:0], y[:0], x, 2 * y, "0" * 64))
    tally = Tally(1, torch.device("cpu"))
    tally.add(torch.tensor([2.5]), torch.tensor([0]), 2)
    found = {name: value.item() for name, value in measures.of_tally("train", tally).items()}
    assert found == {"loss": 1.25, "r2": 0.5, "rmse": pytest.approx(math.sqrt(1.25))}
    assert measures.of_tally("test", tally)["r2"].item() == pytest.approx(1 - 1.25 / 10)
    assert measures.judged(tally).item() == 0.5


def test_a_training_is_that_of_plain_torch() -> None:
    data = load_data(TARGETS)
    result, training = trained(regression(), data)
    net = training_start(data)
    optimiser = torch.optim.SGD(net.parameters(), RATE, momentum=0.5)
    x, y = data.train_x.double(), data.train_y.double().view(-1, 1, 2)
    test_y = data.test_y.double().view(-1, 1, 2)
    losses, r2, rmse = [], [], []
    settings = regression().train
    for step, (rows,) in enumerate(shuffled_rows(len(x), settings, [0]), 1):
        optimiser.zero_grad()
        loss = nn.functional.mse_loss(net(x[rows].view(-1, 2, 3)), y[rows])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if step % 4 == 0:
            with torch.no_grad():
                errors = net(data.test_x.double().view(-1, 2, 3)) - test_y
            spread = test_y - test_y.mean(0)
            r2.append(1 - (errors.square().sum() / spread.square().sum()).item())
            rmse.append(errors.square().mean().sqrt().item())
    by_split = dict(iter(result.history.groupby("split")))
    assert by_split["train"]["loss"].tolist() == pytest.approx(losses, rel=1e-5)
    assert by_split["test"]["r2"].tolist() == pytest.approx(r2, rel=1e-4, abs=1e-5)
    assert by_split["test"]["rmse"].tolist() == pytest.approx(rmse, rel=1e-5)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(result.state[name], value)
    assert result.outcome is Outcome.LEARNED
    assert 0.9 < result.test_final == pytest.approx(r2[-1], rel=1e-4)
    assert result.widths == [5, 2]
    assert result.predictions.empty
    assert training.measures.judged(training.late).item() > 0.5


def training_start(data: Data) -> nn.Module:
    """The network of the first seed before its training."""
    network: nn.Module = Training([regression()], data, torch.float64).network.module
    return network


def test_the_metric_chooses_the_value_of_a_run_and_not_its_outcome() -> None:
    data = load_data(TARGETS)
    r2, rmse = (trained(regression(metric=name), data)[0] for name in ("r2", "rmse"))
    pd.testing.assert_frame_equal(r2.history, rmse.history)
    assert r2.outcome is rmse.outcome is Outcome.LEARNED
    assert rmse.test_final == pytest.approx(rmse.history["rmse"].iloc[-1])


def test_validation_chooses_the_epoch_of_the_smallest_loss() -> None:
    source = replace(TARGETS, validation=20, train_size=6)  # so few that it overfits
    point = replace(regression(), data=source, lr=0.3)
    result, _ = trained(point, load_data(point.data))
    rows = result.history[result.history["split"] == "validation"]
    (tested,) = result.history[result.history["split"] == "test"].itertuples()
    best = rows.loc[rows["loss"].idxmin()]
    assert best["step"] < rows["step"].max(), "the last epoch is not the best one"
    assert (tested.step, best["r2"]) == (best["step"], rows["r2"].max())


def test_the_outputs_have_the_shape_of_the_targets() -> None:
    images = torch.rand(3, 1, 4, 4)
    net = Autoencoder(nn.ReLU, (1, 4, 4), (1, 4, 4), hidden=(8, 3))
    assert net(images).shape == images.shape
    widths = [part.out_features for part in net if isinstance(part, nn.Linear)]
    assert widths == [8, 3, 8, 16]


def test_the_digits_are_their_own_targets() -> None:
    train_x, train_y, test_x, test_y = digits()
    assert (train_x is train_y, test_x is test_y) == (True, True)
    assert (train_x.shape, test_x.shape) == ((1437, 64), (360, 64))
    assert (train_x.min(), train_x.max()) == (0, 1)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"data": DataSource("digits")},
            "train.loss=mse: digits has classes. Choose data with numbers as targets,",
        ),
        (
            {"train": Train(1, 10)},
            "train.loss=cross_entropy: tests.support.own_data.targets has numbers as targets.",
        ),
        (
            {"data": DataSource("tests.support.own_data.equal_targets")},
            "returns train targets that are all equal, so R² is undefined.",
        ),
        (
            {"model": OwnNetwork("tests.support.own_networks.WrongOutputs")},
            "returns [2, 2] for 2 examples with targets of the shape (1, 2). Return outputs of the",
        ),
        (
            {"model": OwnNetwork("actscope.engine.lenet.LeNet")},
            "LeNet cannot be constructed: ",
        ),
    ],
)
def test_a_wrong_combination_is_one_line_before_any_training(changes, problem) -> None:
    point = replace(regression(), **changes)
    with pytest.raises(ConfigError) as refused:
        check_trainable(point, describe_data(point.data))
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_fitting_combination_is_taken() -> None:
    check_trainable(regression(), describe_data(TARGETS))
    assert describe_data(TARGETS).classes == 0
