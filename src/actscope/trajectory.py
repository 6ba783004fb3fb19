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

# MLflow's UI chokes on hundreds of series a run: it gets the article's, at few steps.
SERIES_UNITS = 10
SERIES_STEPS = 15

QUANTITIES = ["weight_mean", "bias", "update_norm", "active"]


@dataclass
class Recorder:
    """Keeps the trajectory of every unit of a stack."""

    steps: list[int] = field(default_factory=list)
    records: list[Tensor] = field(default_factory=list)  # each [R, quantity, U] float32

    def record(
        self,
        step: int,
        stack: StackedMLP,
        update_norms: Sequence[Tensor],
        hidden_active: Sequence[Tensor],
    ) -> None:
        """Note the state after `step` minibatches, all of it [R, O] a layer.

        `update_norms`: L2 length of the last change of each unit's incoming weights;
        `hidden_active`: `active` of each hidden layer. An output unit is always active.
        """
        rows = [
            *(weight.detach().mean(1) for weight in stack.weights),
            *(bias.detach().squeeze(1) for bias in stack.biases),
            *update_norms,
            *hidden_active,
            torch.ones_like(update_norms[-1]),
        ]
        self.steps.append(step)
        self.records.append(torch.cat(rows, dim=1).float().unflatten(1, (len(QUANTITIES), -1)))

    def last_is_finite(self) -> Tensor:
        """Whether the last record of each run is finite, [R]."""
        return torch.isfinite(self.records[-1]).flatten(1).all(1)

    def frames(self, widths: Sequence[int], until: Sequence[int | None]) -> list[pd.DataFrame]:
        """The trajectory of each run, up to but not including step `until` where that is given."""
        records = torch.stack(self.records).numpy() if self.records else None
        frames = []
        for run, end in enumerate(until):
            kept = sum(end is None or step < end for step in self.steps)
            values = (
                np.empty((0, len(QUANTITIES), sum(widths)), np.float32)
                if records is None
                else records[:kept, run]
            )
            frames.append(trajectory_frame(self.steps[:kept], widths, values))
        return frames


def active(slopes: Tensor) -> Tensor:
    """Share of the minibatch on which each unit's slope [R, B, O] is not negligible: [R, O]."""
    return (slopes.abs() > NEGLIGIBLE_SLOPE).sum(1) / slopes.shape[1]


def trajectory_frame(
    steps: Sequence[int],
    widths: Sequence[int],
    values: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]",
) -> pd.DataFrame:
    """One row a recorded step and unit, from values [T, quantity, U]."""
    layer = np.repeat(np.arange(1, len(widths) + 1, dtype=np.int8), widths)
    unit = np.concatenate([np.arange(width, dtype=np.int16) for width in widths])
    frame = pd.DataFrame(
        {
            "step": np.repeat(np.asarray(steps, dtype=np.int32), len(unit)),
            "layer": np.tile(layer, len(steps)),
            "unit": np.tile(unit, len(steps)),
        }
    )
    for number, quantity in enumerate(QUANTITIES):
        frame[quantity] = values[:, number].ravel()
    return frame


def thinned_series(trajectory: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
    """The article's series at few steps: mean weight and bias of the first ten units of a layer.

    Named `layer1/unit03/weight_mean` and so on, each by step.
    """
    steps = trajectory["step"].unique()
    places = np.linspace(0, len(steps) - 1, min(SERIES_STEPS, len(steps))).round().astype(int)
    shown = trajectory["step"].isin(steps[places]) & (trajectory["unit"] < SERIES_UNITS)
    return {
        f"layer{layer}/unit{unit:02d}/{quantity}": rows.set_index("step")[quantity]
        for (layer, unit), rows in trajectory[shown].groupby(["layer", "unit"])
        for quantity in ("weight_mean", "bias")
    }
