"""The loss of a training, and the measures of a split: of classes, or of numbers as targets."""

# R runs of the stack, B examples of a minibatch, F numbers of a target

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from actscope.engine.data import Data
from actscope.engine.history import Tally
from actscope.engine.recorded import SPLITS


def example_losses(outputs: Tensor, y: Tensor) -> Tensor:
    """Loss of each example, [R, B]: cross-entropy, or the mean square error over a target.

    `outputs`: [R, B, classes] with classes [R or 1, B], or [R, B, F] with targets [R or 1, B, F].
    """
    if y.is_floating_point():
        return (outputs - y).square().mean(2)
    # In torch's layout for images; with the classes last it takes five times longer.
    return functional.cross_entropy(outputs.mT, y.expand(outputs.shape[:2]), reduction="none")


def is_right(outputs: Tensor, y: Tensor) -> Tensor:
    """Whether each run predicts the class of each example, [R, B]; [R, 0] of numbers."""
    if y.is_floating_point():
        return torch.zeros(len(outputs), 0, dtype=torch.bool, device=outputs.device)
    return outputs.max(2).indices == y  # of equal ones the first, like argmax in less time


@dataclass(frozen=True)
class Measures:
    """What is computed of a tally.

    `variances`: of the targets of each split, over the examples, averaged over the F numbers; None
    of classes.

    R² is 1 - loss / variance: the share of the variance that the network explains. It is the
    weighted mean of the R² of each of the F numbers, each weighted by its variance.
    """

    variances: Mapping[str, float] | None = None

    @classmethod
    def of(cls, data: Data) -> "Measures":
        if not data.has_numbers:
            return cls()
        targets = zip(SPLITS, (data.train_y, data.validation_y, data.test_y), strict=True)
        return cls({split: _variance(y) for split, y in targets})

    def of_tally(self, split: str, tally: Tally) -> dict[str, Tensor]:
        """Each measure of each run, [R], on a split; the second one decides whether it learned."""
        loss = tally.mean_loss()
        if self.variances is None:
            return {"loss": loss, "accuracy": tally.accuracy()}
        return {"loss": loss, "r2": 1 - loss / self.variances[split], "rmse": loss.sqrt()}

    def judged(self, tally: Tally) -> Tensor:
        """What decides whether each run learned, [R]: its training accuracy or R²."""
        return list(self.of_tally("train", tally).values())[1]


def _variance(y: Tensor) -> float:
    return float(y.double().var(0, correction=0).mean()) if len(y) else math.nan
