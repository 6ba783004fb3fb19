"""Torch's optimisers for a network of one run."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from actscope.config import Point
from actscope.engine.layers import lengths
from actscope.engine.module_network import ModuleNetwork
from actscope.engine.network import Pass


class ModuleOptimiser:
    """torch.optim's SGD, Adam or AdamW, with a schedule and clipped gradients if wanted.

    `total`: the number of steps of the training.
    """

    def __init__(self, network: ModuleNetwork, point: Point, total: int) -> None:
        self.network = network
        self.settings = point.train
        self.rate = point.lr
        self.total = total
        self.done = torch.zeros(1, dtype=torch.int64)
        self.parameters = [p for p in network.module.parameters() if p.requires_grad]
        self.optimiser = self._make()
        self.before = [layer.incoming() for layer in network.layers]

    def _make(self) -> torch.optim.Optimizer:
        decay, lr = self.settings.weight_decay, self.rate
        if self.settings.optimizer == "sgd":
            return torch.optim.SGD(
                self.parameters, lr, momentum=self.settings.momentum, weight_decay=decay
            )
        kind = torch.optim.Adam if self.settings.optimizer == "adam" else torch.optim.AdamW
        return kind(self.parameters, lr, weight_decay=decay)

    def step(self, losses: Tensor, passed: Pass, frozen: Tensor | None = None) -> None:  # noqa: ARG002 - SGD of a stack needs it
        """Take one step down the gradient of losses [1, B], unless the run is `frozen`, [1]."""
        self.before = [layer.incoming().clone() for layer in self.network.layers]
        if frozen is not None and bool(frozen.all()):
            return
        self.optimiser.zero_grad()
        loss = losses.mean() if self.settings.reduction == "mean" else losses.sum()
        loss.backward()
        if self.settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.clip_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate_now()
        self.optimiser.step()
        self.done += 1

    def _rate_now(self) -> float:
        if self.settings.schedule == "constant":
            return self.rate
        return self.rate * (1 + math.cos(math.pi * int(self.done) / self.total)) / 2

    def update_norms(self) -> list[Tensor]:
        layers = zip(self.network.layers, self.before, strict=True)
        return [lengths((layer.incoming() - before)[None]) for layer, before in layers]

    def state(self) -> dict[str, Tensor]:
        """The step and the optimiser's tensors."""
        own = {
            f"{number}.{name}": value
            for number, parameter in enumerate(self.parameters)
            for name, value in self.optimiser.state[parameter].items()
            if isinstance(value, Tensor)
        }
        return own | {"done": self.done}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.done.copy_(state["done"])
        for key, value in state.items():
            number, _, name = key.partition(".")
            if name:
                parameter = self.parameters[int(number)]
                # The step's number stays where torch keeps it, on the CPU.
                self.optimiser.state[parameter][name] = (
                    value.clone() if name == "step" else value.to(parameter.device, copy=True)
                )
