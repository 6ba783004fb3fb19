"""Cost of a run-step: the floor, common loops, and stacks of several sizes."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from actscope.config import Activation, DataSource, OutcomeRule, Point, Train, Trajectory
from actscope.engine import torchvision_compat
from actscope.engine.data import Data
from actscope.engine.train import train_stack
from actscope.network_settings import Model
from benchmarks.timing import Work

FEATURES, HIDDEN, CLASSES, BATCH = 784, 64, 10, 100  # the article's network
TRAIN, TEST = 60_000, 10_000  # as MNIST
STEPS = TRAIN // BATCH
STACKS = (1, 5, 10, 20, 50)
DEEP = 16  # hidden layers
ACTIVATIONS = (
    Activation("relu", "torch.nn.ReLU"),
    Activation("leaky_relu", "torch.nn.LeakyReLU", (("negative_slope", 0.01),)),
    Activation("elu", "torch.nn.ELU", (("alpha", 1.0),)),
    Activation("selu", "torch.nn.SELU"),
    Activation("bn_relu", "torch.nn.ReLU", batch_norm=True),
)


def cases() -> dict[str, Work]:
    """All cases. Each trains for an epoch; the slow DataLoader loop for a tenth of an epoch."""
    bare, whole = made_data(TEST // 20), made_data(TEST)
    everyone = points(20, every="epoch")
    return {
        "floor": floor,
        "plain loop": partial(plain_loop, bare),
        "DataLoader loop": partial(data_loader_loop, bare),
        "by hand, 20 of ReLU": partial(by_hand, bare),
        **{f"stack of {n}": partial(train, points(n, every="epoch"), bare) for n in STACKS},
        "stack of 20 of ReLU": partial(
            train, points(20, every="epoch", activations=ACTIVATIONS[:1]), bare
        ),
        "stack of 20 of four seeds": partial(train, points(20, every="epoch", seeds=4), bare),
        f"floor, {DEEP} layers": deep_floor,
        f"stack of 20, {DEEP} layers": partial(
            train, points(20, every="epoch", hidden=(HIDDEN,) * DEEP), bare
        ),
        "stack of 20, evaluated": partial(train, everyone, whole),
        "stack of 20, evaluated, every 10 steps recorded": partial(
            train, points(20, every=10), whole
        ),
        "stack of 20, evaluated, every step recorded": partial(train, points(20, every=1), whole),
    }


def train(stack: list[Point], data: Data) -> int:
    """Train a stack; return the number of run-steps."""
    train_stack(stack, data)
    return len(stack) * STEPS


def floor() -> int:
    """The two matrix products that every step needs."""
    x = torch.rand(BATCH, FEATURES)
    weight, delta = torch.rand(FEATURES, HIDDEN), torch.rand(BATCH, HIDDEN)
    sums, gradient = torch.empty(BATCH, HIDDEN), torch.empty(FEATURES, HIDDEN)
    torch.set_num_threads(1)
    repetitions = 2 * STEPS
    for _ in range(repetitions):
        torch.mm(x, weight, out=sums)
        torch.mm(x.T, delta, out=gradient)
    return repetitions


def deep_floor() -> int:
    """All matrix products of a step of a deep network: two of its first layer, three of others."""
    weight, values = torch.rand(HIDDEN, HIDDEN), torch.rand(BATCH, HIDDEN)
    products, gradient = torch.empty(BATCH, HIDDEN), torch.empty(HIDDEN, HIDDEN)
    steps = floor()
    for _ in range(steps * (DEEP - 1)):
        torch.mm(values, weight, out=products)
        torch.mm(values, weight.T, out=products)
        torch.mm(values.T, values, out=gradient)
    return steps


def plain_loop(data: Data) -> int:
    """One run in the common way, with the data in memory."""
    torch.set_num_threads(1)
    model, optimiser, loss = _ordinary()
    for chosen in torch.randperm(TRAIN).split(BATCH):
        optimiser.zero_grad()
        loss(model(data.train_x[chosen]), data.train_y[chosen]).backward()
        optimiser.step()
    return STEPS


def data_loader_loop(data: Data) -> int:
    """One run as in tutorials: a DataLoader with torchvision's transforms."""
    torch.set_num_threads(1)
    model, optimiser, loss = _ordinary()
    images = Subset(_Images(data), range(TRAIN // 10))
    for x, y in DataLoader(images, batch_size=BATCH, shuffle=True):
        optimiser.zero_grad()
        loss(model(x.flatten(1)), y).backward()
        optimiser.step()
    return len(images) // BATCH


def by_hand(data: Data) -> int:
    """Twenty runs of ReLU with handwritten gradients: no autograd, no metrics, no records.

    It is the speed that the engine could reach for one known activation and training only.
    """
    torch.set_num_threads(1)
    runs, rates = 20, torch.full((20, 1, 1), 1e-6)
    hidden = torch.randn(runs, FEATURES, HIDDEN) / 28, torch.zeros(runs, 1, HIDDEN)
    output = torch.randn(runs, HIDDEN, CLASSES) / 8, torch.zeros(runs, 1, CLASSES)
    targets = torch.eye(CLASSES)[data.train_y].mT.contiguous()
    for rows in torch.randperm(TRAIN).split(BATCH):
        x = data.train_x.index_select(0, rows)
        step_by_hand(*hidden, *output, x, targets[:, rows], rates)
    return runs * STEPS


def step_by_hand(
    hidden: Tensor,
    hidden_bias: Tensor,
    output: Tensor,
    output_bias: Tensor,
    x: Tensor,
    targets: Tensor,
    rates: Tensor,
) -> None:
    """Take a step of R runs of ReLU in place.

    Weights [R, I, O] and biases [R, 1, O] of two layers, x [B, I], one-hot targets [classes, B],
    rates [R, 1, 1].
    """
    x = x.expand(len(rates), -1, -1)
    values = torch.baddbmm(hidden_bias, x, hidden).relu_()
    logits = torch.baddbmm(output_bias, values, output)
    steps = logits.mT.softmax(1).sub_(targets).mul_(rates).mT  # [R, B, classes]
    hidden_steps = torch.bmm(steps, output.mT).mul_(values > 0)
    hidden.baddbmm_(x.mT, hidden_steps, alpha=-1)
    hidden_bias.sub_(hidden_steps.sum(1, keepdim=True))
    output.baddbmm_(values.mT, steps, alpha=-1)
    output_bias.sub_(steps.sum(1, keepdim=True))


def made_data(test: int) -> Data:
    """Random data with the size of MNIST and its share of black pixels; nothing can be learned."""
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(TRAIN + test, FEATURES, generator=rng)
    x = torch.where(x < 0.8, 0.0, x)
    y = torch.randint(CLASSES, (TRAIN + test,), generator=rng)
    splits = (slice(TRAIN), slice(0), slice(TRAIN, None))  # nothing is held out
    tensors = [part[split] for split in splits for part in (x, y)]
    return Data("made", *tensors, sha256="0" * 64)


def points(
    count: int,
    *,
    every: int | Literal["epoch"],
    activations: Sequence[Activation] = ACTIVATIONS,
    seeds: int = 1,
    hidden: tuple[int, ...] = (HIDDEN,),
) -> list[Point]:
    """Points of a stack with all activations for each seed, at rates so low that none diverges."""
    return [
        Point(
            study="bench",
            activation=activations[number % len(activations)],
            lr=1e-6 * (1 + number),
            seed=number // len(activations) % seeds,
            data=DataSource("mnist", None),
            model=Model(hidden),
            train=Train(1, BATCH, "sum", 0.0, 0.0),
            trajectory=Trajectory(every, "epoch"),
            outcome=OutcomeRule(0.5),
        )
        for number in range(count)
    ]


def _ordinary() -> tuple[nn.Module, torch.optim.Optimizer, nn.Module]:
    model = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    return model, torch.optim.SGD(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()


class _Images(Dataset[tuple[Tensor, int]]):
    """Images as torchvision.datasets.MNIST returns them: from bytes through PIL."""

    def __init__(self, data: Data) -> None:
        self.bytes = (255 * data.train_x).byte().view(-1, 28, 28)
        self.classes = data.train_y
        transforms = torchvision_compat.transforms()
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
        )

    def __len__(self) -> int:
        return len(self.bytes)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.bytes[index].numpy())
        return self.transform(image), int(self.classes[index])
