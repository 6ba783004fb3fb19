"""Noise in the background, and the scale of pixels."""

import numpy as np
import pytest
import torch
from torch import Tensor

from actscope.config import DataSource
from actscope.engine.data import Data, load_data
from actscope.engine.pixels import standardise, with_noise
from actscope.errors import DataError

IMAGES = np.array([[[0, 3], [255, 0]], [[1, 0], [0, 0]]], np.uint8)


def test_noise_is_in_pixels_that_are_zero_and_only_there() -> None:
    """The numbers are the first of numpy's RandomState(0), whose stream does not change."""
    (noisy,) = with_noise([IMAGES], 100)
    first = [54.88135, 71.518936, 60.276337, 54.488318, 42.36548]
    np.testing.assert_allclose(noisy[IMAGES == 0], first, rtol=1e-6)
    assert (noisy[IMAGES > 0] == IMAGES[IMAGES > 0]).all()


def test_each_split_has_noise_of_its_own() -> None:
    one, other = with_noise([IMAGES, IMAGES], 1)
    assert not set(one[IMAGES == 0]) & set(other[IMAGES == 0])


def digits(**settings: object) -> Data:
    return load_data(DataSource("digits", **settings))  # type: ignore[arg-type]


def pixels_of(data: Data) -> list[Tensor]:
    return [data.train_x, data.validation_x, data.test_x]


def test_noise_is_in_all_splits_up_to_its_amplitude() -> None:
    splits = [pixels_of(digits(validation=100, noise=noise)) for noise in (0, 0.25)]
    for clean, noisy in zip(*splits, strict=True):
        background = clean == 0
        assert torch.equal(noisy[~background], clean[~background])
        noise = noisy[background]
        assert (noise > 0).all()
        assert 0.24 < noise.max() <= 0.25
        assert noise.mean() == pytest.approx(0.125, abs=0.005)


def test_the_noise_of_an_image_is_the_same_in_all_runs() -> None:
    noisy, split = digits(noise=0.25), digits(noise=0.25, validation=100, train_size=200)
    assert torch.equal(split.test_x, noisy.test_x)
    images = {tuple(x) for x in noisy.train_x.tolist()}
    assert {tuple(x) for x in split.train_x.tolist()} < images
    assert {tuple(x) for x in split.validation_x.tolist()} < images
    again = load_data.__wrapped__(DataSource("digits", noise=0.25))
    assert torch.equal(again.train_x, noisy.train_x)
    assert noisy.sha256 == digits().sha256


def test_a_standard_scale_is_that_of_the_images_that_train() -> None:
    """From 1, 1, 5 and 5: the mean is 3 and the deviation 2, whatever is tested."""
    train, test = torch.tensor([[1.0, 5.0], [5.0, 1.0]]), torch.tensor([[3.0, 7.0]])
    standardise(DataSource("digits"), train, test)
    assert train.tolist() == [[-1, 1], [1, -1]]
    assert test.tolist() == [[0, 2]]


@pytest.mark.parametrize("settings", [{}, {"train_size": 50}, {"validation": 0.5, "noise": 0.5}])
def test_pixels_of_a_standard_scale_have_mean_0_and_deviation_1(settings) -> None:
    unit, standard = digits(**settings), digits(**settings, scale="standard")
    pixels = standard.train_x.double()
    assert pixels.mean().item() == pytest.approx(0, abs=1e-6)
    assert pixels.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    mean, std = unit.train_x.double().mean(), unit.train_x.double().std(correction=0)
    for before, after in zip(pixels_of(unit), pixels_of(standard), strict=True):
        torch.testing.assert_close(after.double() * std + mean, before.double(), atol=1e-6, rtol=0)


def test_pixels_that_are_all_equal_have_no_standard_scale() -> None:
    message = (
        "data.scale=standard: all inputs of the 2 training examples of digits are equal. "
        "Use data.scale=unit."
    )
    with pytest.raises(DataError, match=message):
        standardise(DataSource("digits"), torch.full((2, 3), 0.1))
