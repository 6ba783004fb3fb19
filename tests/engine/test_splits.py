"""Which examples train: stratified, each size part of the larger ones, the same for all."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from actscope.config import DataSource
from actscope.engine.data import Data, load_data
from actscope.engine.images import describe_data
from actscope.engine.splits import stratified_order
from actscope.errors import DataError
from tests.engine.test_evaluation import sort_rows


def test_classes_are_spread_evenly_over_the_order() -> None:
    """Of 2 images of class 0 and 3 of class 1: at 0 and 1/2, and at 0, 1/3 and 2/3."""
    labels = np.array([1, 0, 1, 0, 1])
    order = stratified_order(labels)
    assert labels[order].tolist() == [0, 1, 1, 0, 1]
    assert sorted(order) == list(range(5))


def test_the_order_is_a_shuffle_that_is_the_same_each_time() -> None:
    """As numpy's RandomState(0) shuffles five rows; its stream does not change."""
    assert stratified_order(np.zeros(5, int)).tolist() == [2, 0, 1, 3, 4]


def digits(**settings: object) -> Data:
    return load_data(DataSource("digits", **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [10, 15, 100, 733, 1437])
def test_any_number_of_images_has_the_classes_in_their_shares(size: int) -> None:
    whole, some = digits(), digits(train_size=size)
    assert some.examples == len(some.train_y) == size
    counts, shares = some.train_y.bincount(), whole.train_y.bincount() / whole.examples
    assert (counts - size * shares).abs().max() < 1
    assert counts.min() >= 1
    assert some.classes == 10


def test_fewer_images_are_among_the_more() -> None:
    sizes = [10, 50, 51, 500, 1437]
    rows = [{tuple(x) for x in digits(train_size=size).train_x.tolist()} for size in sizes]
    assert all(fewer < more for fewer, more in pairwise(rows))


def test_all_images_are_as_without_the_setting() -> None:
    assert torch.equal(digits(train_size=1437).train_x, digits().train_x)


def test_validation_and_test_images_do_not_depend_on_the_number_that_train() -> None:
    split, some = digits(validation=0.1), digits(validation=0.1, train_size=200)
    for name in ("validation_x", "validation_y", "test_x", "test_y"):
        assert torch.equal(getattr(some, name), getattr(split, name))
    assert some.sha256 == split.sha256
    both = torch.cat([digits(validation=0.1, train_size=1293).train_x, split.validation_x])
    assert torch.equal(sort_rows(both), sort_rows(digits().train_x))


def test_a_sweep_knows_the_number_of_images_without_their_tensors() -> None:
    described = describe_data(DataSource("digits", train_size=200, validation=100))
    assert (described.examples, described.classes) == (200, 10)


@pytest.mark.parametrize("read", [describe_data, load_data])
@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"train_size": 9}, "9: digits has 1437 training examples. Train on 10 to 1437 of them."),
        ({"train_size": 5000}, "5000: digits has 1437 training examples. Train on 10 to 1437 of"),
        (
            {"train_size": 1338, "validation": 100},
            "1338: digits has 1337 training examples that are not held out. Train on 10 to 1337 of",
        ),
    ],
)
def test_too_few_or_too_many_images_that_train_are_one_line(read, settings, problem) -> None:
    with pytest.raises(DataError) as caught:
        read(DataSource("digits", **settings))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"data.train_size={problem}")
