"""What every unit did, step by step, and its tabular form."""

# R runs of the stack, I inputs and O units of a layer, U units of all layers, T recorded steps

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from actscope.model import StackedMLP

# A slope under this in magnitude passes practically no gradient on.
NEGLIGIBLE_SLOPE = 1e-3

QUANTITIES = ["weight_mean", "bias", "update_norm", "active"]


@dataclass
class Recorder:
    """Keeps the trajectory of every unit of a stack."""

    steps: list[int] = field(default_factory=list)
    records: list[Tensor] = field(default_factory=list)  # each [R, U, quantity] float32

    def record(
        self, step: int, stack: StackedMLP, given: Sequence[Tensor], changes: Sequence[Tensor]
    ) -> None:
        """Note the state after `step` minibatches.

        `given`: what each hidden layer's function was given on the last minibatch, [R, B, O];
        `changes`: the last change of each layer's weights, [R, I, O].
        """
        layers = []
        for layer, (weight, bias) in enumerate(zip(stack.weights, stack.biases, strict=True)):
            hidden = layer < len(given)
            quantities = (
                weight.detach().mean(1),
                bias.detach().squeeze(1),
                update_norm(changes[layer]),
                active(stack.slopes(layer, given[layer])) if hidden else torch.ones_like(bias[:, 0]),
            )
            layers.append(torch.stack(quantities, dim=2))
        self.steps.append(step)
        self.records.append(torch.cat(layers, dim=1).float())

    def frames(self, widths: Sequence[int], until: Sequence[int | None]) -> list[pd.DataFrame]:
        """The trajectory of each run, up to but not including step `until` where that is given."""
        records = torch.stack(self.records).numpy() if self.records else None
        frames = []
        for run, end in enumerate(until):
            kept = sum(end is None or step < end for step in self.steps)
            values = (
                np.empty((0, sum(widths), len(QUANTITIES)), np.float32)
                if records is None
                else records[:kept, run]
            )
            frames.append(trajectory_frame(self.steps[:kept], widths, values))
        return frames


def update_norm(change: Tensor) -> Tensor:
    """L2 length of the change [R, I, O] of each unit's incoming weights, shape [R, O]."""
    return change.square().sum(1).sqrt()


def active(slopes: Tensor) -> Tensor:
    """Share of the minibatch on which each unit's slope [R, B, O] is not negligible, shape [R, O]."""
    return (slopes.abs() > NEGLIGIBLE_SLOPE).to(slopes.dtype).mean(1)


def trajectory_frame(
    steps: Sequence[int], widths: Sequence[int], values: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"
) -> pd.DataFrame:
    """One row a recorded step and unit, from values [T, U, quantity]."""
    layer = np.repeat(np.arange(1, len(widths) + 1, dtype=np.int8), widths)
    unit = np.concatenate([np.arange(width, dtype=np.int16) for width in widths])
    frame = pd.DataFrame({
        "step": np.repeat(np.asarray(steps, dtype=np.int32), len(unit)),
        "layer": np.tile(layer, len(steps)),
        "unit": np.tile(unit, len(steps)),
    })
    frame[QUANTITIES] = values.reshape(-1, len(QUANTITIES))
    return frame
