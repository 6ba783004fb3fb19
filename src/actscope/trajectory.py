"""What every unit did, step by step, and its tabular form."""

# R runs of the stack, I inputs and O units of a layer, U units of all layers, T recorded steps

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from actscope.inputs import Inputs
from actscope.model import StackedMLP

# A slope under this in magnitude passes practically no gradient on.
NEGLIGIBLE_SLOPE = 1e-3

# MLflow's UI chokes on hundreds of series a run: it gets the article's, at few steps.
SERIES_UNITS = 10
SERIES_STEPS = 15

TRAJECTORY = ["weight_mean", "bias", "update_norm", "active"]

# What is seen of each unit on the probe set: the share of its images on which the slope is exactly
# zero, that on which it is negligible, and the L2 length of the incoming weights.
PROBE = ["zero", "negligible", "weight_norm"]
PROBE_SIZE = 1000

Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass
class Recorder:
    """Keeps some quantities of every unit of a stack at some steps."""

    quantities: Sequence[str]
    device: torch.device
    steps: list[int] = field(default_factory=list)
    records: list[Tensor] = field(default_factory=list)  # each [R, quantity, U] float32

    def add(self, step: int, record: Tensor) -> None:
        """Note [R, quantity * U]: of each quantity, all layers' units."""
        self.steps.append(step)
        self.records.append(record.unflatten(1, (len(self.quantities), -1)))

    def state(self) -> dict[str, Tensor]:
        if not self.records:
            return {}
        return {"step": torch.tensor(self.steps), "record": torch.stack(self.records)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        if state:
            self.steps = state["step"].tolist()
            self.records = list(state["record"].to(self.device).unbind())

    def frames(self, widths: Sequence[int], until: Sequence[int | None]) -> list[pd.DataFrame]:
        """One table a run, up to but not including step `until` where that is given."""
        nothing = torch.empty(0, len(until), len(self.quantities), sum(widths))
        records = (torch.stack(self.records) if self.records else nothing).cpu().numpy()
        frames = []
        for run, end in enumerate(until):
            kept = sum(end is None or step < end for step in self.steps)
            columns = {
                name: records[:kept, run, number] for number, name in enumerate(self.quantities)
            }
            frames.append(unit_frame(self.steps[:kept], widths, columns))
        return frames


def trajectory_record(
    stack: StackedMLP, update_norms: Sequence[Tensor], hidden_active: Sequence[Tensor]
) -> Tensor:
    """TRAJECTORY of all units after a step, [R, quantity * U]; an output unit is always active.

    `update_norms`: L2 length of the step's change of each unit's incoming weights, and
    `hidden_active`: `active` of each hidden layer, [R, O] a layer.
    """
    return _record(
        *(weight.mean(1) for weight in stack.weights),
        *(bias.squeeze(1) for bias in stack.biases),
        *update_norms,
        *hidden_active,
        torch.ones_like(update_norms[-1]),
    )


def probe_record(stack: StackedMLP, hidden: Sequence[Tensor]) -> Tensor:
    """PROBE of all units, [R, quantity * U], from the hidden layers' slopes on it, [R, B, O]."""
    outputs = torch.zeros_like(stack.biases[-1].squeeze(1))
    return _record(
        *(share(slopes == 0) for slopes in hidden),
        outputs,
        *(share(slopes.abs() < NEGLIGIBLE_SLOPE) for slopes in hidden),
        outputs,
        *(lengths(weight) for weight in stack.weights),
    )


def _record(*rows: Tensor) -> Tensor:
    return torch.cat(rows, dim=1).float()


def is_finite(record: Tensor) -> Tensor:
    """Whether the record of each run is finite, [R]."""
    # In float64, where no sum of finite float32 numbers overflows.
    return torch.isfinite(record.sum(1, dtype=torch.float64))


def active(slopes: Sequence[Tensor]) -> Tensor:
    """Share of the minibatch on which each unit's slope is not negligible: [R, O].

    `slopes` [G, B, O] an activation are overwritten: copies would cost more than all the rest.
    """
    counts = [part.abs_().gt_(NEGLIGIBLE_SLOPE).sum(1) for part in slopes]
    return torch.cat(counts) / slopes[0].shape[1]


def share(holds: Tensor) -> Tensor:
    """Share of the examples for which [R, B, O] holds: [R, O]."""
    return holds.sum(1, dtype=torch.int32) / holds.shape[1]


def lengths(columns: Tensor) -> Tensor:
    """L2 length of each column of [R, I, O], shape [R, O]."""
    if columns.is_cuda:
        exact: Tensor = torch.linalg.vector_norm(columns, dim=1, dtype=torch.float64)
        return exact.to(columns.dtype)
    # The one way that makes no square of each number in memory: half the time on this many numbers.
    values = columns.numpy()
    norms = torch.from_numpy(np.einsum("rio,rio->ro", values, values)).sqrt_()
    if not bool(torch.isfinite(norms.max())):  # as the squares of finite numbers may
        exact = torch.linalg.vector_norm(columns.double(), dim=1).to(columns.dtype)
        norms = torch.where(torch.isinf(norms), exact, norms)
    return norms


def gradient_lengths(inputs: Inputs, deltas: Tensor) -> Tensor:
    """`lengths` of the gradient of a layer's weights, by that of its sums, without the gradient.

    Of x.T @ deltas the square of each is deltas.T @ (x @ x.T) @ deltas, which is less work where
    there are fewer examples than inputs, and less still where runs share x.
    """
    x = inputs.x
    if x.shape[1] >= x.shape[2]:
        return lengths(inputs.gradient(deltas))
    norms = _gradient_lengths(inputs, deltas)
    if not x.is_cuda and bool(torch.isfinite(norms.max())):  # a GPU is not waited for
        return norms
    # The squares of finite numbers may be infinite.
    size_x, size = _largest(x), _largest(deltas)
    exact = _gradient_lengths(replace(inputs, x=x / size_x), deltas / size)
    exact = exact * (inputs.of_runs(size_x) * size).squeeze(1)
    return torch.where(torch.isfinite(norms), norms, exact)


def _gradient_lengths(inputs: Inputs, deltas: Tensor) -> Tensor:
    products = torch.bmm(inputs.of_runs(inputs.x @ inputs.x.mT), deltas)
    squares = products.mul_(deltas).sum(1)
    return squares.clamp_(min=0).sqrt_()  # rounding may have left less than 0


def _largest(values: Tensor) -> Tensor:
    """Magnitude of each run's largest value, [R, 1, 1], or next to nothing where that is zero."""
    return values.abs().amax((1, 2), keepdim=True).clamp_(min=torch.finfo(values.dtype).tiny)


def unit_frame(
    steps: Sequence[int], widths: Sequence[int], quantities: Mapping[str, Array]
) -> pd.DataFrame:
    """One row a recorded step and unit, from each quantity's values [T, U]."""
    layer = np.repeat(np.arange(1, len(widths) + 1, dtype=np.int8), widths)
    unit = np.concatenate([np.arange(width, dtype=np.int16) for width in widths])
    return pd.DataFrame(
        {
            "step": np.repeat(np.asarray(steps, dtype=np.int32), len(unit)),
            "layer": np.tile(layer, len(steps)),
            "unit": np.tile(unit, len(steps)),
            **{name: values.ravel() for name, values in quantities.items()},
        }
    )


def thinned_series(trajectory: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
    """The article's series at few steps: mean weight and bias of the first ten units of a layer.

    Named `layer1/unit03/weight_mean` and so on, each by step.
    """
    steps = trajectory["step"].unique()
    places = np.linspace(0, len(steps) - 1, min(SERIES_STEPS, len(steps))).round().astype(int)
    shown = trajectory["step"].isin(steps[places]) & (trajectory["unit"] < SERIES_UNITS)
    rows, quantities = trajectory[shown], ["weight_mean", "bias"]
    by_unit = rows.pivot(index="step", columns=["layer", "unit"], values=quantities)  # noqa: PD010 - faster
    units = rows[["layer", "unit"]].drop_duplicates().itertuples(index=False)
    return {
        f"layer{layer}/unit{unit:02d}/{quantity}": by_unit[quantity, layer, unit]
        for layer, unit in units
        for quantity in quantities
    }
