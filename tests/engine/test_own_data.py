"""A user's own data set: read, described, trained on, and refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from actscope.config import DataSource
from actscope.engine.data import load_data
from actscope.engine.images import describe_data
from actscope.engine.train import train_stack
from actscope.errors import ConfigError
from actscope.sweep.stacks import check_trainable
from tests.support.making import make_point
from tests.support.own_data import X, Y

OWN = "tests.support.own_data"


def own(name: str, **settings: Any) -> DataSource:
    return DataSource(f"{OWN}.{name}", **settings)


@pytest.mark.parametrize("name", ["tensors", "arrays", "doubles", "datasets"])
def test_a_function_returns_tensors_arrays_or_datasets(name):
    data = load_data(own(name))
    assert torch.equal(data.train_x, X[:40].flatten(1))
    assert torch.equal(data.train_y, Y[:40])
    assert torch.equal(data.test_x, X[40:].flatten(1))
    assert torch.equal(data.test_y, Y[40:])
    assert data.in_shape == (2, 3)
    described = describe_data(own(name))
    assert (described.examples, described.features, described.classes) == (40, 6, 3)
    assert described.sha256 == load_data(own("tensors")).sha256


def test_arguments_reach_the_function():
    assert len(load_data(own("tensors", arguments=(("train", 30),))).train_x) == 30


def test_splits_and_scale_are_those_of_any_data_set():
    data = load_data(own("tensors", validation=9, train_size=15, scale="standard"))
    assert (len(data.train_x), len(data.validation_x), len(data.test_x)) == (15, 9, 20)
    assert data.train_y.bincount().tolist() == [5, 5, 5]
    assert float(data.train_x.mean()) == pytest.approx(0, abs=1e-6)
    assert float(data.train_x.std(correction=0)) == pytest.approx(1, rel=1e-5)


def test_draws_from_global_streams_are_the_same_each_time():
    first = describe_data(own("drawn")).sha256
    torch.rand(3), np.random.random()  # noqa: NPY002
    describe_data.cache_clear()
    before = torch.get_rng_state()
    assert describe_data(own("drawn")).sha256 == first
    assert torch.equal(torch.get_rng_state(), before)


def test_the_built_in_network_trains_on_them():
    point = replace(make_point(lr=0.02, epochs=20), data=own("tensors"))
    check_trainable(point, describe_data(point.data))
    (result,) = train_stack([point], load_data(point.data))
    assert result.widths == [16, 3]
    assert len(result.predictions) == 20


def test_the_built_in_network_refuses_whole_numbers():
    point = replace(make_point(), data=own("tokens"))
    assert load_data(point.data).train_x.dtype == torch.int64
    with pytest.raises(ConfigError, match=r"tokens returns whole numbers, which the built-in"):
        check_trainable(point, describe_data(point.data))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent", f"data: there is no '{OWN}.absent' to import"),
        ("not_callable", "not_callable fails: 'int' object is not callable"),
        ("strings", "strings returns inputs of <U1. Return numbers, like float32."),
        ("pixels", "pixels returns inputs of uint8. Divide pixels by 255, or return int64."),
        ("three", "three returns 3 values. Return train_x, train_y, test_x, test_y, or a Dataset"),
        ("nothing", "nothing returns NoneType. Return train_x"),
        ("ragged", "ragged returns list, which is no array"),
        ("fewer_classes", "training inputs of the shape (40, 2, 3) and 39 classes"),
        ("words_as_classes", "words_as_classes returns classes of <U3 in the shape (40,)"),
        ("other_shapes", "of the shape (2, 3) in training and (1, 3) in the test"),
        ("new_class", "returns class 3 in the test only. Train with it too."),
        ("targets_of_other_shapes", "targets of float32 (2, 3) in training and float32 (3,) in"),
        ("infinite_targets", "returns targets that are not finite."),
        ("not_finite", "returns inputs that are not finite. Remove them."),
        ("generator", "generator returns generator. Return train_x"),
        ("raises", "raises fails: FileNotFoundError: images.npz"),
        ("exits", "exits fails: SystemExit: bye"),
    ],
)
def test_data_that_cannot_be_used_are_refused(name, problem):
    with pytest.raises(ConfigError) as refused:
        load_data(own(name))
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("arguments", [(("trian", 30),), (("train", "x"),)])
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ConfigError, match=r"data: tests.support.own_data.tensors fails: "):
        load_data(own("tensors", arguments=arguments))
