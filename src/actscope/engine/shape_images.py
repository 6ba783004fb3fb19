"""Generated colour images of ten shapes, of the size of CIFAR-10's: no network, no file."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

PIXELS = 32
SHAPES = (
    "disc",
    "ring",
    "square",
    "frame",
    "triangle",
    "diamond",
    "plus",
    "cross",
    "horizontal bars",
    "vertical bars",
)


def load(
    train_images: int = 2000, test_images: int = 1000, pixel_noise: float = 0.3
) -> tuple[Array, ...]:
    """Images [N, 3, 32, 32] in 0..1 and the numbers of their SHAPES, of training and test.

    Place, size and both colours of a shape are random. `pixel_noise` is the amplitude of uniform
    noise in each pixel. The same arguments give the same bits on each machine.

    Example:
        >>> images, labels, *_ = load(train_images=20)
        >>> images.shape, labels[:3]
        ((20, 3, 32, 32), array([0, 1, 2]))

    """
    # numpy keeps the stream of RandomState for good, and that of Generator not (NEP 19).
    rng = np.random.RandomState(0)
    train, test = (_images(rng, number, pixel_noise) for number in (train_images, test_images))
    return *train, *test


def _images(rng: np.random.RandomState, number: int, noise: float) -> tuple[Array, Array]:
    labels = np.arange(number) % len(SHAPES)
    radius = 6 + 6 * rng.random_sample(number)
    centre = PIXELS / 2 + 6 * (rng.random_sample((2, number)) - 0.5)
    colours = rng.random_sample((2, number, 3, 1, 1))
    inside = _inside(labels, centre[..., None, None], radius[:, None, None])
    images = np.where(inside[:, None], colours[0], colours[1])
    images += noise * (rng.random_sample(images.shape) - 0.5)
    # Steps of 1/255 hide the last bits, which may differ between machines.
    return (images.clip(0, 1) * 255).round().astype(np.float32) / np.float32(255), labels


def _inside(labels: Array, centre: Array, radius: Array) -> Array:
    """Which pixels belong to the shape of each image, [N, 32, 32]."""
    down = (np.arange(PIXELS)[:, None] - centre[0]) / radius
    right = (np.arange(PIXELS) - centre[1]) / radius
    larger, smaller = np.maximum(abs(down), abs(right)), np.minimum(abs(down), abs(right))
    square, distance = larger < 1, down**2 + right**2
    shapes = {
        "disc": distance < 1,
        "ring": (distance < 1) & (distance > 0.4),
        "square": square,
        "frame": square & (larger > 0.6),
        "triangle": square & (2 * abs(right) < 1 + down),
        "diamond": larger + smaller < 1,
        "plus": square & (smaller < 0.3),
        "cross": square & (larger - smaller < 0.3),
        "horizontal bars": square & (abs(abs(down) - 0.65) < 0.3),
        "vertical bars": square & (abs(abs(right) - 0.65) < 0.3),
    }
    return np.stack([shapes[name] for name in SHAPES])[labels, np.arange(len(labels))]
