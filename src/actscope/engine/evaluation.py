"""Evaluates a stack on the examples that are held out of its training."""

# R runs of the stack, B examples, N test examples

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from actscope.engine.data import Data
from actscope.engine.history import Tally
from actscope.engine.layers import Inputs
from actscope.engine.network import Network
from actscope.engine.objective import example_losses, is_right
from actscope.engine.recorded import EVALUATED_AT_ONCE
from actscope.engine.saved_state import prefixed


class Evaluation:
    """Evaluates after each epoch: on the validation examples, or without any on the test examples.

    With validation examples each run is tested once, after the training, with its weights after the
    epoch of its highest validation accuracy, or of its smallest loss where targets are numbers; of
    equals the first counts.

    `correct`: whether each run is right about each test example when last tested, [R, N]; [R, 0]
    where targets are numbers.
    """

    def __init__(self, network: Network, data: Data) -> None:
        runs, device = network.runs, network.device
        self.network = network
        self.data = data
        self.validates = len(data.validation_x) > 0
        classified = 0 if data.has_numbers else len(data.test_x)
        self.correct = torch.zeros(runs, classified, dtype=torch.bool, device=device)
        # Correct predictions, or the loss with a minus.
        worst = -math.inf if data.has_numbers else -1
        kind = torch.float64 if data.has_numbers else torch.int64
        self.best = torch.full((runs,), worst, dtype=kind, device=device)
        self.best_step = torch.zeros(runs, dtype=torch.int64, device=device)
        self.best_weights = _copy(network) if self.validates else {}
        self.tested = Tally(runs, device)  # of the weights that validation has chosen

    @property
    def split(self) -> str:
        """The split that each epoch is judged by."""
        return "validation" if self.validates else "test"

    def is_tested(self) -> bool:
        """Whether the weights of the best epochs are tested."""
        return bool(self.tested.examples > 0)

    @torch.no_grad()
    def after_epoch(self, step: int) -> Tally:
        """The tally of the current weights on the examples that each epoch is judged by."""
        if not self.validates:
            return self._test()
        tally = Tally(len(self.best), self.network.device)
        for x, y in _split(self.data.validation_x, self.data.validation_y):
            self._add(tally, x, y)
        score = -tally.loss if self.data.has_numbers else tally.correct
        better = score > self.best
        self.best.copy_(torch.where(better, score, self.best))
        self.best_step.masked_fill_(better, step)
        for own in self.network.tensors():
            _copy_runs(own.value.detach(), self.best_weights[own.key], better[own.runs])
        return tally

    @torch.no_grad()
    def test_best_epoch(self, frozen: Tensor | None) -> None:
        """Give the runs the weights of their best epochs, except `frozen` ones, [R]; test them."""
        chosen = torch.ones_like(self.best, dtype=torch.bool) if frozen is None else ~frozen
        for own in self.network.tensors():
            _copy_runs(self.best_weights[own.key], own.value.detach(), chosen[own.runs])
        self.tested.load_state(self._test().state())

    def _test(self) -> Tally:
        tally, start = Tally(len(self.best), self.network.device), 0
        for x, y in _split(self.data.test_x, self.data.test_y):
            self.correct[:, start : start + len(y)] = self._add(tally, x, y)
            start += len(y)
        return tally

    def _add(self, tally: Tally, x: Tensor, y: Tensor) -> Tensor:
        """Add examples x [B, I] to a tally; return `is_right` about them."""
        logits = self.network.forward(Inputs.of_all(x, len(self.best)), training=False).logits
        correct = is_right(logits, y)
        tally.add(example_losses(logits, y[None]).sum(1), correct.sum(1), len(y))
        return correct

    def state(self) -> dict[str, Tensor]:
        """The tensors that a resumed training needs, not copied."""
        own = {"correct": self.correct, "best": self.best, "best_step": self.best_step}
        return (
            own | prefixed("tested", self.tested.state()) | prefixed("weights", self.best_weights)
        )

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for name, own in self.state().items():
            own.copy_(state[name])


def _split(x: Tensor, y: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
    if len(y) == 0:  # torch splits nothing into one empty part
        return ()
    return zip(x.split(EVALUATED_AT_ONCE), y.split(EVALUATED_AT_ONCE), strict=True)


def _copy(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state().items()}


def _copy_runs(source: Tensor, target: Tensor, chosen: Tensor) -> None:
    """Copy the `chosen` runs, [G], of a tensor [G, ...] in place."""
    shape = (-1, *[1] * (source.dim() - 1))
    target.copy_(torch.where(chosen.view(shape), source, target))
