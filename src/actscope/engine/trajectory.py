"""Records of every unit, step by step, and their tables."""

# R runs of the stack, I inputs and O units of a layer, U units of all layers, T recorded steps

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from actscope.engine.network import Network

# A slope with a smaller magnitude passes practically no gradient.
NEGLIGIBLE_SLOPE = 1e-3

Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass
class Recorder:
    """Keeps some quantities of every unit of a stack at some steps."""

    quantities: Sequence[str]
    device: torch.device
    steps: list[int] = field(default_factory=list)
    records: list[Tensor] = field(default_factory=list)  # each [R, quantity, U] float32

    def add(self, step: int, record: Tensor) -> None:
        """Add a record [R, quantity * U]: for each quantity the units of all layers."""
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
        """One table a run, up to but not including the run's step in `until`, if it has one."""
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
    network: Network, update_norms: Sequence[Tensor], hidden_active: Sequence[Tensor]
) -> Tensor:
    """TRAJECTORY of all units after a step, [R, quantity * U]; an output unit is always active.

    `update_norms`: L2 length of the step of each unit's incoming weights, [R, O] a layer.
    `hidden_active`: `active` of each hidden layer, [R, O] a layer.
    """
    return _record(
        *network.unit_means(),
        *network.unit_biases(),
        *update_norms,
        *hidden_active,
        torch.ones_like(update_norms[-1]),
    )


def probe_record(network: Network, hidden: Sequence[Sequence[Tensor]]) -> Tensor:
    """PROBE of all units, [R, quantity * U], from the hidden layers' slopes.

    The slopes, [G, B, O] an activation, are replaced by their magnitudes.
    """
    weight_norms = network.unit_lengths()
    outputs = torch.zeros_like(weight_norms[-1])
    return _record(
        *(share(slopes, _is_zero) for slopes in hidden),
        outputs,
        *(share(slopes, _is_negligible) for slopes in hidden),
        outputs,
        *weight_norms,
        *network.unit_scales(),
    )


def _is_zero(slopes: Tensor) -> Tensor:
    return torch.eq(slopes, 0, out=torch.empty_like(slopes))


def _is_negligible(slopes: Tensor) -> Tensor:
    return torch.lt(slopes.abs_(), NEGLIGIBLE_SLOPE, out=torch.empty_like(slopes))


def _record(*rows: Tensor) -> Tensor:
    return torch.cat(rows, dim=1).float()


def is_finite(record: Tensor) -> Tensor:
    """Whether the record of each run is finite, [R]."""
    # In float64 no sum of finite float32 numbers overflows.
    return torch.isfinite(record.sum(1, dtype=torch.float64))


def active(slopes: Sequence[Tensor]) -> Tensor:
    """Share of the minibatch on which each unit's slope is not negligible: [R, O].

    `slopes` [G, B, O] an activation are overwritten, as copies would take most of the time.
    """
    return share(slopes, lambda part: part.abs_().gt_(NEGLIGIBLE_SLOPE))


def share(slopes: Sequence[Tensor], holds: Callable[[Tensor], Tensor]) -> Tensor:
    """Share of the examples for which `holds` gives 1 and not 0: [R, O].

    `slopes` [G, B, O] an activation. Their type counts exactly, and faster than booleans do.
    """
    return torch.cat([holds(part).sum(1) for part in slopes]) / slopes[0].shape[1]


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
