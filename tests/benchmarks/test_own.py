"""Gradients of many runs of a network of one's own: three ways that agree, and their tables."""

import pytest
import torch
from benchmarks.own_networks import AUTOENCODER, WAYS, Case, Perceptron, Stack, one_at_a_time
from torch import nn
from torch.nn import functional

from benchmarks import app, own

ELU = own.Activation("elu", "torch.nn.ELU")
PERCEPTRON = Case("benchmarks.own_networks.Perceptron", (6,), 4)
RESIDUAL = Case("actscope.engine.residual.ResidualCNN", (3, 8, 8), 4)
TRANSFORMER = Case("actscope.engine.transformer.Transformer", (5,), 3, tokens=7)


def test_a_perceptron_has_an_activation_between_its_layers():
    network = Perceptron(nn.Tanh, 4, (6,), hidden=(5, 3))
    kinds = [(type(part), getattr(part, "out_features", 0)) for part in network]
    assert kinds == [
        (nn.Linear, 5),
        (nn.Tanh, 0),
        (nn.Linear, 3),
        (nn.Tanh, 0),
        (nn.Linear, 4),
    ]


@pytest.mark.parametrize("case", [PERCEPTRON, AUTOENCODER], ids=["classes", "numbers"])
def test_one_at_a_time_is_a_plain_backward_pass(case: Case):
    modules = case.networks(ELU, 3)
    x, y = case.minibatches(3, 7, 0)
    for found, module, images, wanted in zip(
        one_at_a_time(modules, x, y), modules, x, y, strict=True
    ):
        outputs = module(images)
        is_class = wanted.dtype == torch.int64
        (functional.cross_entropy if is_class else functional.mse_loss)(outputs, wanted).backward()
        torch.testing.assert_close(found["outputs"], outputs)
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "case",
    [PERCEPTRON, AUTOENCODER, RESIDUAL, TRANSFORMER],
    ids=["perceptron", "autoencoder", "residual", "transformer"],
)
def test_a_stack_has_the_gradients_of_its_runs(case: Case, way: str):
    modules = case.networks(ELU, 3)
    x, y = case.minibatches(3, 7, 0)
    stacked = WAYS[way](Stack.of(modules), x, y)
    for run, alone in enumerate(one_at_a_time(modules, x, y)):
        assert stacked.keys() == alone.keys()
        for name, value in alone.items():
            torch.testing.assert_close(stacked[name][run], value, rtol=1e-3, atol=1e-5)


def test_a_single_bit_is_a_difference():
    next_to_one = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    stacked = {"a": torch.tensor([1.0, 1.0]), "b": torch.tensor([2.0, 3.0])}
    alone = [
        {"a": torch.tensor(1.0), "b": torch.tensor(2.0)},
        {"a": next_to_one, "b": torch.tensor(3.0)},
    ]
    assert list(own.differences(stacked, alone)) == [(1, "a")]


def test_each_network_has_a_row_for_each_size_of_a_stack(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own, "STACKS", (1, 2))
    monkeypatch.setattr(own, "RUN_STEPS", 2)
    told: list[None] = []
    rows = own.networks(1, lambda: told.append(None), {"small": PERCEPTRON})
    assert rows[["network", "runs", "tensors"]].to_numpy().tolist() == [
        ["small", 1, 5],  # outputs, two weights and two biases
        ["small", 2, 5],
    ]
    assert (rows[["ms", "vmap_x", "autograd_x"]] > 0).all(axis=None)
    assert (
        rows.loc[rows["runs"] == 1, ["vmap_depends", "autograd_depends"]].eq(False).all(axis=None)
    )
    assert len(told) == 2 * 2 * 3  # rounds, stacks, ways


def test_a_function_without_rounding_does_not_depend_on_the_place(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(own, "TESTED_FUNCTIONS", {"ReLU": {}})
    monkeypatch.setattr(own, "TRIED", 1)
    (row,) = own.activations().to_dict("records")
    assert (row["activation"], row["values"]) == ("ReLU", 0)
    shares = [row[name] for name in ("vmap", "vmap_last", "autograd", "autograd_last")]
    assert all(share in (0, 0.2, 0.4, 0.6, 0.8, 1) for share in shares)  # of five runs


def test_a_product_does_not_depend_on_the_number_of_products():
    rows = own.products()
    assert rows["inputs"].tolist() == list(own.INPUTS)
    assert rows["of_one"].all()


def test_networks_of_ones_own_are_told_in_tables():
    bits = {"vmap_differ": 0, "vmap_depends": False, "autograd_differ": 3, "autograd_depends": True}
    network = {"network": "small", "runs": 5, "ms": 0.5, "vmap_x": 1.25, "autograd_x": 0.75}
    shares = {"vmap": 0, "vmap_last": 0.25, "autograd": 0.5, "autograd_last": 1}
    same = {"of_one": True, "mm": True, "baddbmm": True, "bmm_and_bias": False}
    machine = dict.fromkeys(app.machine(), "any")
    text = app.as_markdown(
        {
            "machine": machine,
            "own": {
                "networks": [{**network, **bits, "tensors": 5}],
                "activations": [{"activation": "ELU", "values": 0.03, **shares}],
                "products": [{"inputs": 385, **same}],
            },
        }
    )
    assert "| small | 5 | 0.50 | 1.25 | 0 of 5 | same | 0.75 | 3 of 5 | differs |" in text
    assert "| ELU | 3.0 % | 0 % | 25 % | 50 % | 100 % |" in text
    assert "| 385 | same | same | same | differ |" in text
