"""The training by ordinary means, to hold the engine against: nn.Sequential and torch.optim.SGD."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from actscope.config import Point
from actscope.engine.data import Data
from actscope.engine.initial_weights import initial_weights
from actscope.engine.minibatches import shuffled_rows


@dataclass
class Step:
    """One minibatch: its mean loss, and what the layers were before, in and after it."""

    loss: float
    accuracy: float
    weights_before: list[Tensor]  # of each layer, as nn.Linear has them: [O, I]
    weights_after: list[Tensor]
    unit_biases_after: list[Tensor]  # behind a batch normalisation the norm's own
    given: list[Tensor]  # to each activation function, [B, O]


@dataclass
class Reference:
    layers: dict[str, nn.Module]  # under the engine's names
    steps: list[Step] = field(default_factory=list)
    tests: list[tuple[float, float]] = field(default_factory=list)  # loss and accuracy, by epoch

    def state(self) -> dict[str, Tensor]:
        return {
            f"{name}.{key}": value
            for name, module in self.layers.items()
            for key, value in module.state_dict().items()
            if key != "num_batches_tracked"
        }


def train_reference(
    point: Point, make_activation: Callable[[], nn.Module], data: Data
) -> Reference:
    """Train one point in float64 from the engine's start on the engine's minibatches."""
    reference = Reference(make_layers(point, make_activation, data))
    network = nn.Sequential(*reference.layers.values()).double()
    linear = [module for module in network if isinstance(module, nn.Linear)]
    norms = [module for module in network if isinstance(module, nn.BatchNorm1d)]
    shifting = [*norms, linear[-1]] if norms else linear
    given: list[Tensor] = []
    for name, module in reference.layers.items():
        if name.endswith(".function"):
            module.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].detach()))
    settings = point.train
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=point.lr,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    objective = nn.CrossEntropyLoss(reduction=settings.reduction)
    batches = shuffled_rows(len(data.train_x), settings, [point.seed])
    steps_per_epoch = -(-len(data.train_x) // settings.batch_size)
    for number, (rows,) in enumerate(batches, 1):
        x, y = data.train_x[rows], data.train_y[rows]
        given.clear()
        network.train()
        logits = network(x.double())
        before = [layer.weight.detach().clone() for layer in linear]
        optimiser.zero_grad()
        objective(logits, y).backward()
        optimiser.step()
        reference.steps.append(
            Step(
                *_loss_and_accuracy(logits, y),
                weights_before=before,
                weights_after=[layer.weight.detach().clone() for layer in linear],
                unit_biases_after=[layer.bias.detach().clone() for layer in shifting],
                given=list(given),
            )
        )
        if number % steps_per_epoch == 0:
            network.eval()
            with torch.no_grad():
                logits = network(data.test_x.double())
            reference.tests.append(_loss_and_accuracy(logits, data.test_y))
    return reference


def make_layers(
    point: Point, make_activation: Callable[[], nn.Module], data: Data
) -> dict[str, nn.Module]:
    widths = (data.features, *point.model.hidden, data.classes)
    starts = [layer[0] for layer in initial_weights([point], widths, torch.float64)]
    layers: dict[str, nn.Module] = {}
    for number, ((fan_in, fan_out), start) in enumerate(
        zip(pairwise(widths), starts, strict=True), 1
    ):
        linear = nn.Linear(fan_in, fan_out).double()
        linear.load_state_dict({"weight": start.T, "bias": torch.zeros(fan_out)})
        layers[f"layer{number}"] = linear
        if number <= len(point.model.hidden):
            if point.activation.batch_norm:
                layers[f"layer{number}.norm"] = nn.BatchNorm1d(fan_out)
            layers[f"layer{number}.function"] = make_activation()
    return layers


def _loss_and_accuracy(logits: Tensor, y: Tensor) -> tuple[float, float]:
    loss = nn.functional.cross_entropy(logits, y).item()
    return loss, (logits.argmax(1) == y).double().mean().item()
