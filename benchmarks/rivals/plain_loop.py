"""Training of one run in a plain PyTorch loop, with everything in memory. Imports no actscope."""

# N images, I pixels, U units of both layers

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 10
ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "relu": lambda _: nn.ReLU(),
    "leaky_relu": lambda _: nn.LeakyReLU(0.01),
    "elu": lambda _: nn.ELU(),
    "selu": lambda _: nn.SELU(),
    "bn_relu": lambda width: nn.Sequential(nn.BatchNorm1d(width), nn.ReLU()),
}
Data = tuple[Tensor, Tensor, Tensor, Tensor]  # images [N, I] and classes [N], training and test


@dataclass
class Config:
    """Settings of one run; the defaults are those of actscope's quickstart."""

    data: str = "???"  # a file of four arrays: images and classes, training and test
    activation: str = "relu"
    lr: float = 0.01
    seed: int = 0
    hidden: int = 64
    epochs: int = 50
    batch_size: int = 100
    record_every: int = 5  # minibatches


@dataclass
class Trained:
    """What a run leaves: metrics by epoch, and the mean weight and bias of each unit by step."""

    metrics: list[tuple[str, float, int]] = field(default_factory=list)  # name, value, epoch
    steps: list[int] = field(default_factory=list)  # minibatches before each record
    records: list[Tensor] = field(default_factory=list)  # [U, 2] each

    def table(self) -> pa.Table:
        """The trajectory, one row per recorded step and unit."""
        values = torch.cat(self.records).numpy()
        count = len(self.records[0])
        return pa.table(
            {
                "step": np.repeat(self.steps, count),
                "unit": np.tile(np.arange(count), len(self.steps)),
                "weight_mean": values[:, 0],
                "bias": values[:, 1],
            }
        )


@cache
def read(path: str) -> Data:
    """Images with pixels in 0..1, and their classes."""
    with np.load(path) as arrays:
        train_x, train_y, test_x, test_y = (torch.from_numpy(array) for array in arrays.values())
    brightest = train_x.max()
    pixels = [images.flatten(1).float() / brightest for images in (train_x, test_x)]
    return pixels[0], train_y.long(), pixels[1], test_y.long()


def train(config: Config, data: Data) -> Trained:
    """Train one hidden layer with SGD on the gradient that is summed over the minibatch."""
    train_x, train_y, test_x, test_y = data
    torch.manual_seed(config.seed)
    layers = linear_layers(train_x.shape[1], config.hidden)
    model = nn.Sequential(layers[0], ACTIVATIONS[config.activation](config.hidden), layers[1])
    parameters = list(model.parameters())
    trained = Trained(steps=[0], records=[units(layers)])
    step = 0
    for epoch in range(1, config.epochs + 1):
        loss_sum, correct = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for rows in torch.randperm(len(train_x)).split(config.batch_size):
            y = train_y[rows]
            logits = model(train_x[rows])
            loss = functional.cross_entropy(logits, y, reduction="sum")
            # Faster by a quarter than torch.optim.SGD, whose imports also take two seconds.
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                torch._foreach_add_(parameters, gradients, alpha=-config.lr)
            loss_sum += loss.detach()
            correct += (logits.argmax(1) == y).sum()
            step += 1
            if step % config.record_every == 0:
                trained.steps.append(step)
                trained.records.append(units(layers))
        trained.metrics += epoch_metrics("train", loss_sum, correct, len(train_x), epoch)
        trained.metrics += evaluate(model, test_x, test_y, epoch)
    return trained


def linear_layers(inputs: int, hidden: int) -> tuple[nn.Linear, nn.Linear]:
    """Two layers with He's initial weights and biases of zero."""
    layers = nn.Linear(inputs, hidden), nn.Linear(hidden, CLASSES)
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layers


@torch.no_grad()
def units(layers: tuple[nn.Linear, ...]) -> Tensor:
    """Mean incoming weight and bias of each unit, [U, 2]."""
    return torch.cat([torch.stack((layer.weight.mean(1), layer.bias), 1) for layer in layers])


@torch.no_grad()
def evaluate(model: nn.Module, x: Tensor, y: Tensor, epoch: int) -> list[tuple[str, float, int]]:
    """Mean loss and accuracy on the test images."""
    model.eval()
    logits = model(x)
    model.train()
    loss = functional.cross_entropy(logits, y, reduction="sum")
    return epoch_metrics("test", loss, (logits.argmax(1) == y).sum(), len(x), epoch)


def epoch_metrics(
    split: str, loss: Tensor, correct: Tensor, examples: int, epoch: int
) -> list[tuple[str, float, int]]:
    """Means of sums over the examples."""
    return [
        (f"{split}/loss", float(loss) / examples, epoch),
        (f"{split}/accuracy", float(correct) / examples, epoch),
    ]
