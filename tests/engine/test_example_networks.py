"""The shipped residual network and transformer, and the data that are generated for them."""

from dataclasses import replace

import numpy as np
import pytest

from actscope.config import DataSource, Train
from actscope.engine import shape_images, token_sequences
from actscope.engine.data import load_data
from actscope.engine.own_data import read_own
from actscope.engine.train import train_stack
from actscope.network_settings import OwnNetwork
from tests.support.making import make_point

SHAPES = DataSource(
    "actscope.engine.shape_images.load", arguments=(("test_images", 20), ("train_images", 100))
)
SEQUENCES = DataSource(
    "actscope.engine.token_sequences.load",
    arguments=(("digits", 2), ("length", 3), ("test_sequences", 20), ("train_sequences", 200)),
)
RESIDUAL = OwnNetwork("actscope.engine.residual.ResidualCNN", (("channels", (4, 6)),))
TRANSFORMER = OwnNetwork("actscope.engine.transformer.Transformer", (("tokens", 5), ("width", 16)))


@pytest.mark.parametrize("source", [SHAPES, SEQUENCES], ids=["shapes", "sequences"])
def test_generated_data_are_the_same_each_time(source: DataSource) -> None:
    first = read_own(source)
    np.random.seed(1)  # noqa: NPY002 - whatever the global stream is
    second = read_own(source)
    assert all(np.array_equal(*parts) for parts in zip(first, second, strict=True))
    assert not np.array_equal(first[0][:20], first[2]), "test and training differ"


def test_images_of_shapes() -> None:
    train_x, train_y, test_x, test_y = shape_images.load(40, 20, pixel_noise=0)
    assert (train_x.shape, test_x.shape) == ((40, 3, 32, 32), (20, 3, 32, 32))
    assert train_x.dtype == np.float32
    assert (train_x.min() >= 0, train_x.max() <= 1) == (True, True)
    assert np.bincount(train_y).tolist() == [4] * 10
    assert np.bincount(test_y).tolist() == [2] * 10
    for image in train_x:
        assert len(np.unique(image.reshape(3, -1), axis=1).T) == 2, "a shape, and its background"


def test_a_shape_fills_the_share_of_its_square_that_geometry_says() -> None:
    """Of a square of the side 2: a disc has pi / 4, a diamond 1 / 2, a frame 1 - 0.6 ** 2."""
    images, labels, *_ = shape_images.load(2000, 10, pixel_noise=0)
    corner = images[:, :, :1, :1]  # no shape reaches it
    area = (images != corner).any(axis=1).sum(axis=(1, 2))
    found = {name: area[labels == n].mean() for n, name in enumerate(shape_images.SHAPES)}
    for name, share in {"disc": np.pi / 4, "diamond": 0.5, "frame": 0.64}.items():
        assert found[name] / found["square"] == pytest.approx(share, rel=0.1)


def test_the_class_of_a_sequence_is_the_sum_of_the_digits_that_it_points_at() -> None:
    tokens, classes, test_tokens, _ = token_sequences.load(4, 6, 50, 10)
    assert (tokens.shape, test_tokens.shape) == ((50, 8), (10, 8))
    assert (tokens[:, :6].max(), tokens[:, 6:].min(), tokens[:, 6:].max()) == (3, 4, 9)
    for (*digits, first, second), expected in zip(tokens.tolist(), classes.tolist(), strict=True):
        assert (digits[first - 4] + digits[second - 4]) % 4 == expected


@pytest.mark.parametrize(
    ("model", "data", "train", "lr", "layers"),
    [
        (
            RESIDUAL,
            SHAPES,
            Train(4, 20, "mean", momentum=0.9),
            0.05,
            {
                "conv": 4,
                "blocks.0.conv1": 4,
                "blocks.0.conv2": 4,
                "blocks.1.conv1": 6,
                "blocks.1.conv2": 6,
                "output": 10,
            },
        ),
        (
            TRANSFORMER,
            SEQUENCES,
            Train(4, 20, "mean", optimizer="adam"),
            0.01,
            {"blocks.0.fc1": 64, "blocks.1.fc1": 64, "output": 2},
        ),
    ],
    ids=["residual", "transformer"],
)
def test_its_loss_falls_and_its_units_are_recorded(
    model: OwnNetwork, data: DataSource, train: Train, lr: float, layers: dict[str, int]
) -> None:
    point = replace(make_point(lr=lr, every="epoch"), model=model, data=data, train=train)
    result = train_stack([point], load_data(data))[0]
    assert dict(zip(result.layer_names, result.widths, strict=True)) == layers
    assert result.probe.groupby("layer")["unit"].nunique().tolist() == result.widths
    losses = result.history.query("split == 'train'")["loss"].tolist()
    assert losses[-1] < losses[0]
