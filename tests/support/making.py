"""Small points and data sets, with a word for each thing that a test may want otherwise."""

import torch

from actscope.config import Activation, DataSource, OutcomeRule, Point, Train, Trajectory
from actscope.engine.data import Data
from actscope.network_settings import Model

RELU = Activation("relu", "torch.nn.ReLU")
ELU = Activation("elu", "torch.nn.ELU", (("alpha", 1.0),))
BN_RELU = Activation("bn_relu", "torch.nn.ReLU", batch_norm=True)
PRELU = Activation("prelu", "torch.nn.PReLU", (("init", 0.25),))
SIGMOID = Activation("sigmoid", "torch.nn.Sigmoid")
TANH = Activation("tanh", "torch.nn.Tanh")


def make_point(
    activation: Activation = RELU,
    *,
    study: str = "tests",
    lr: float = 0.01,
    seed: int = 0,
    data: str = "digits",
    root: str | None = None,
    hidden: tuple[int, ...] = (16,),
    init: str = "he",
    init_std: float | None = None,
    epochs: int = 2,
    batch_size: int = 20,
    reduction: str = "sum",
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    every: int | str = 1,
    probe_every: int | str = "epoch",
    learned_from: float = 0.5,
) -> Point:
    return Point(
        study=study,
        activation=activation,
        lr=lr,
        seed=seed,
        data=DataSource(data, root),
        model=Model(hidden, init, init_std),
        train=Train(epochs, batch_size, reduction, momentum, weight_decay),
        trajectory=Trajectory(every, probe_every),
        outcome=OutcomeRule(learned_from),
    )


def make_data(
    train: int = 95,
    test: int = 40,
    features: int = 12,
    classes: int = 5,
    seed: int = 0,
    validation: int = 0,
) -> Data:
    """Images that can be told apart: a dim pattern of each class under noise, half of it black."""
    rng = torch.Generator().manual_seed(seed)
    patterns = torch.rand(classes, features, generator=rng)
    held_out = train + validation
    y = torch.arange(held_out + test) % classes
    noise = torch.rand(held_out + test, features, generator=rng)
    x = ((patterns[y] + noise) / 2 - 0.5).clamp(min=0) * 2
    splits = (slice(train), slice(train, held_out), slice(held_out, None))
    tensors = [part[split] for split in splits for part in (x, y)]
    return Data("made", *tensors, sha256=f"{seed:064x}")
