"""A user's own network: against the built-in one, against plain torch, and refused."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from actscope.config import DataSource, Point, Train
from actscope.engine.data import Data
from actscope.engine.minibatches import shuffled_rows
from actscope.engine.module_network import ModuleNetwork, check_network
from actscope.engine.result import Outcome, RunResult
from actscope.engine.train import Training, steady_arithmetic, train_stack
from actscope.engine.watched_layers import find_layers
from actscope.errors import ConfigError, TrainingError
from actscope.network_settings import OwnNetwork
from tests.support.making import BN_RELU, ELU, PRELU, RELU, SIGMOID, TANH, make_data, make_point
from tests.support.sameness import assert_same_numbers

OWN = "tests.support.own_networks"
DATA = make_data()  # 95 examples of 12 pixels, 5 classes
IMAGES = replace(make_data(features=36), in_shape=(1, 6, 6))


def own(name: str, point: Point, **arguments: Any) -> Point:
    return replace(point, model=OwnNetwork(f"{OWN}.{name}", tuple(sorted(arguments.items()))))


def network_of(point: Point, data: Data = IMAGES) -> ModuleNetwork:
    network = Training([point], data, torch.float64).network
    assert isinstance(network, ModuleNetwork)
    return network


def trained(training: Training) -> RunResult:
    with steady_arithmetic():
        for _ in training.steps():
            pass
        return training.results()[0]


# Against the built-in network, which other tests compare with torch's own modules


@pytest.mark.parametrize("activation", [RELU, ELU, PRELU, BN_RELU], ids=lambda each: each.name)
@pytest.mark.parametrize("how", ["sum", "mean"])
def test_a_perceptron_of_ones_own_has_the_numbers_of_the_built_in_one(activation, how):
    settings = {"reduction": how, "lr": {"sum": 0.002, "mean": 0.04}[how], "hidden": (12, 8)}
    point = make_point(activation, momentum=0.9, weight_decay=0.01, epochs=3, **settings)
    built_in = Training([point], DATA, torch.float64)
    same = replace(point, activation=replace(activation, batch_norm=False))
    mine = Training(
        [own("Perceptron", same, hidden=(12, 8), norm=activation.batch_norm)], DATA, torch.float64
    )
    parameters = dict(mine.network.module.named_parameters())
    ours = built_in.network.state_of(0).values()
    assert [p.shape for p in parameters.values() if p.dim() == 2] == [
        own.shape for own in ours if own.dim() == 2
    ]
    with torch.no_grad():
        for layer, name in zip(mine.network.layers, ("layer1", "layer2", "layer3"), strict=True):
            layer.module.weight.copy_(built_in.network.state_of(0)[f"{name}.weight"])
            layer.module.bias.zero_()
    expected, found = trained(built_in), trained(mine)
    assert_close(found.history, expected.history)
    assert_close(found.trajectory, expected.trajectory)
    assert_close(found.probe, expected.probe)
    behind_norm = ["gradient"] if activation.batch_norm else []
    assert_close(found.layers.drop(columns=behind_norm), expected.layers.drop(columns=behind_norm))
    assert found.predictions.equals(expected.predictions)
    assert found.outcome == expected.outcome
    assert found.widths == [12, 8, 5]


def assert_close(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1e-6)


# Units, layers and their tensors


def test_layers_are_the_ones_before_the_activations():
    network = network_of(own("Residual", make_point(TANH)))
    found = [(layer.name, layer.units) for layer in network.layers]
    assert found == [("first", 6), ("second", 6), ("last", 5)]
    first, second, last = network.layers
    module = network.module
    assert (first.norm, second.norm, last.norm) == (None, module.norm, None)
    assert torch.equal(first.bias(), module.first.bias)
    with torch.no_grad():
        module.norm.bias.fill_(0.5)
        module.norm.weight.fill_(2)
    assert second.bias().tolist() == [0.5] * 6
    assert second.scale().tolist() == [2] * 6
    # The weights of a channel: of its 6 maps of 3 x 3 pixels.
    expected = module.second.weight.reshape(6, 54).mean(1)
    assert torch.allclose(network.unit_means()[1][0], expected)
    assert torch.allclose(
        network.unit_lengths()[1][0], module.second.weight.reshape(6, 54).norm(dim=1)
    )


def test_a_transposed_convolution_has_its_units_in_the_second_dimension():
    network = network_of(own("Decoder", make_point()))
    assert [(layer.name, layer.units) for layer in network.layers] == [("up", 3), ("last", 5)]
    weight = network.module.up.weight  # [1 input, 3 outputs, 2, 2]
    assert torch.allclose(network.unit_means()[0][0], weight.mean((0, 2, 3)))


def test_the_features_of_tokens_are_units():
    tokens = torch.randint(0, 9, (60, 7), generator=torch.Generator().manual_seed(0))
    y = tokens[:, 0] % 5
    data = Data("tokens", tokens, y, tokens[:0], y[:0], tokens[:20], y[:20], "0" * 64)
    point = own("OfTokens", make_point(epochs=4, lr=0.5, reduction="mean"))
    result = train_stack([point], data)[0]
    assert result.layer_names == ["encoder.layers.0.linear1", "encoder.layers.1.linear1", "last"]
    assert result.widths == [16, 16, 5]
    assert result.probe["zero"].between(0, 1).all()


def test_a_channel_is_dead_if_it_is_dead_at_each_position():
    """By hand: channel 0 has bias -100, channel 1 has bias 100, channel 2 is the pixel less 0.5."""
    network = network_of(own("OneConvolution", make_point()))
    with torch.no_grad():
        network.module.conv.weight.fill_(1)
        network.module.conv.bias.copy_(torch.tensor([-100, 100, -0.5]))
    training = Training([own("OneConvolution", make_point())], IMAGES, torch.float64)
    training.network.load_state(network.state())
    with steady_arithmetic():
        next(training.steps())
    probe = training.probe.frames(training.network.widths, [None])[0]
    start = probe[(probe["step"] == 0) & (probe["layer"] == 1)]
    bright = float((IMAGES.train_x > 0.5).double().mean())
    assert start["zero"].tolist() == pytest.approx([1, 0, 1 - bright])
    layers = training.layers.frames([1, 1], [None])[0]
    assert layers["dead"].tolist()[0] == pytest.approx(1 / 3)


# Optimisers


def _rates(schedule: str, lr: float, steps: int) -> Iterator[float]:
    for step in range(steps):
        yield lr if schedule == "constant" else lr * (1 + math.cos(math.pi * step / steps)) / 2


@pytest.mark.parametrize(
    ("optimizer", "schedule", "clip_norm"),
    [("adam", "constant", None), ("adamw", "cosine", None), ("sgd", "cosine", 0.1)],
)
def test_training_is_what_a_plain_loop_makes_of_it(optimizer, schedule, clip_norm):
    settings = Train(
        3, 20, "mean", 0.0, 0.01, optimizer=optimizer, schedule=schedule, clip_norm=clip_norm
    )
    point = replace(own("Residual", make_point(ELU, lr=0.01, seed=4), dropout=0.0), train=settings)
    network = network_of(point)
    module = network.module.train()
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer]
    steps = kind(module.parameters(), lr=0.01, weight_decay=0.01)
    rows = list(shuffled_rows(len(IMAGES.train_x), settings, [4]))
    losses = []
    with steady_arithmetic():
        for lr, (batch,) in zip(_rates(schedule, 0.01, len(rows)), rows, strict=True):
            steps.param_groups[0]["lr"] = lr
            steps.zero_grad()
            images = IMAGES.train_x[batch].double().view(-1, 1, 6, 6)
            loss = functional.cross_entropy(module(images), IMAGES.train_y[batch])
            loss.backward()
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(module.parameters(), clip_norm)
            steps.step()
            losses.append(loss.item())
    result = trained(Training([point], IMAGES, torch.float64))
    for name, value in module.state_dict().items():
        assert torch.allclose(result.state[name], value), name
    train = result.history[result.history["split"] == "train"]
    assert train["loss"].tolist() == pytest.approx(losses, rel=1e-6)
    norm = result.trajectory[result.trajectory["step"] == len(rows)]["update_norm"]
    assert (norm > 0).all()


# Seeds and checkpoints


def test_a_run_has_the_same_numbers_again_whatever_ran_before():
    point = own("Residual", make_point(TANH, lr=0.1, reduction="mean"))
    first = train_stack([point], IMAGES)[0]
    torch.rand(7)
    train_stack([replace(point, seed=5)], IMAGES)
    assert_same_numbers(train_stack([point], IMAGES)[0], first)
    assert not first.trajectory.equals(train_stack([replace(point, seed=5)], IMAGES)[0].trajectory)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_training_continues_from_its_state_with_the_same_numbers(optimizer):
    settings = Train(3, 20, "mean", optimizer=optimizer, schedule="cosine")
    point = replace(own("Residual", make_point(TANH, lr=0.01)), train=settings)
    whole = train_stack([point], IMAGES)[0]
    begun = Training([point], IMAGES, torch.float32)
    with steady_arithmetic():
        for step in begun.steps():
            if step == 7:
                break
        saved = {name: value.clone() for name, value in begun.state().items()}
    continued = Training([point], IMAGES, torch.float32)
    continued.load_state(saved)
    assert_same_numbers(trained(continued), whole)


def test_the_state_of_another_network_is_refused():
    state = Training([own("OneConvolution", make_point())], IMAGES, torch.float32).state()
    other = Training([own("Residual", make_point())], IMAGES, torch.float32)
    with pytest.raises(ValueError, match="another network"):
        other.load_state(state)


# What goes wrong in training


def test_a_run_that_diverges_ends_there():
    point = own("Residual", make_point(lr=1e30, reduction="mean"))
    result = train_stack([point], IMAGES)[0]
    assert result.outcome is Outcome.DIVERGED
    assert result.diverged_at in (1, 2)
    assert np.isfinite(result.trajectory["weight_mean"]).all()


def test_code_that_fails_in_training_is_named():
    with pytest.raises(
        TrainingError, match=rf"model: {OWN}.FailsLater fails: ValueError: too late"
    ):
        train_stack([own("FailsLater", make_point())], IMAGES)


# What is refused before any training


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Absent", f"model: there is no '{OWN}.Absent' to import"),
        ("not_a_class", f"model: {OWN}.not_a_class is not a class of torch modules"),
        ("Unwatched", f"model: {OWN}.Unwatched never calls `activation()`"),
        ("CalledTwice", f"model: {OWN}.CalledTwice calls its activation 'act' 2 times"),
        ("NeverCalled", f"model: {OWN}.NeverCalled calls its activation 'act' 0 times"),
        ("OnPixels", f"model: {OWN}.OnPixels, activation 'act': no torch.nn.Linear or convolution"),
        ("ByKeyword", f"model: {OWN}.ByKeyword calls its activation 'act' by keyword"),
        ("Flattened", "has 108 features, but 'conv' before it has 3 units"),
        ("WrongLogits", f"model: {OWN}.WrongLogits returns [2, 7] for 2 examples of 5 classes"),
        ("ReturnsPair", f"model: {OWN}.ReturnsPair returns tuple for 2 examples of 5 classes"),
        (
            "ForLargeImages",
            f"model: {OWN}.ForLargeImages fails for examples of the shape (1, 6, 6)",
        ),
        ("FailsToStart", f"model: {OWN}.FailsToStart cannot be constructed: KeyError: 'lost'"),
    ],
)
def test_a_network_that_cannot_be_watched_is_refused(name, problem):
    with pytest.raises(ConfigError) as refused:
        network_of(own(name, make_point()))
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_network_without_a_backward_pass_is_refused():
    problem = r"InPlace cannot be trained: .*has been modified by an inp"
    source = DataSource("digits")
    with pytest.raises(ConfigError, match=problem):
        check_network(OwnNetwork(f"{OWN}.InPlace"), SIGMOID, source)
    check_network(OwnNetwork(f"{OWN}.Residual"), SIGMOID, source)


def test_an_unknown_argument_is_refused():
    with pytest.raises(ConfigError, match=r"Residual cannot be constructed: .*'depth'"):
        network_of(own("Residual", make_point(), depth=3))


def test_layers_are_found_without_a_bias_and_behind_a_view():
    network = network_of(own("WithoutBiases", make_point()))
    layers = find_layers("mine", network.module, IMAGES.train_x[:2].double().view(-1, 1, 6, 6))
    assert [layer.name for layer in layers] == ["a", "b", "c"]
    assert layers[0].bias().tolist() == [0] * 4
