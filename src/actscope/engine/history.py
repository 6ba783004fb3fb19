"""The measures of a run during its training, summed over minibatches."""

# R runs of the stack

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from actscope.engine.recorded import SPLITS


class Tally:
    """Sums of loss and correct predictions of each run over some examples."""

    def __init__(self, runs: int, device: torch.device) -> None:
        self.loss = torch.zeros(runs, dtype=torch.float64, device=device)
        self.correct = torch.zeros(runs, dtype=torch.int64, device=device)
        self.examples = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, losses: Tensor, correct: Tensor, examples: int) -> None:
        """Add the summed losses, [R], and the correct predictions, [R], of some examples."""
        self.loss += losses
        self.correct += correct
        self.examples += examples

    def reset(self) -> None:
        for count in self.state().values():
            count.zero_()

    def copy(self) -> Self:
        same = type(self)(len(self.loss), self.loss.device)
        same.load_state(self.state())
        return same

    def mean_loss(self) -> Tensor:
        return self.loss / self.examples.clamp(min=1)

    def accuracy(self) -> Tensor:
        return self.correct / self.examples.clamp(min=1)

    def state(self) -> dict[str, Tensor]:
        """All counts, not copied."""
        return {"loss": self.loss, "correct": self.correct, "examples": self.examples}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for name, count in self.state().items():
            count.copy_(state[name])  # in place, as a captured step refers to these tensors


Measure = Callable[[str, Tally], dict[str, Tensor]]


class History:
    """The measures of each run: on minibatches since the last row, and on examples held out.

    `measure`: computes them of a split and its tally, each [R].
    """

    def __init__(
        self, runs: int, steps_per_epoch: int, device: torch.device, measure: Measure
    ) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.measure = measure
        self.train = Tally(runs, device)
        self.rows: list[tuple[int, str, Tally]] = []

    def close_train(self, step: int) -> None:
        """Add a row for the minibatches since the last row."""
        self.add(step, "train", self.train.copy())
        self.train.reset()

    def add(self, step: int, split: str, tally: Tally) -> None:
        self.rows.append((step, split, tally))

    def state(self) -> dict[str, Tensor]:
        """The sums of all rows, then the sums for the next row."""
        tallies = [*(tally for _, _, tally in self.rows), self.train]
        states = [tally.state() for tally in tallies]
        return {
            "step": torch.tensor([step for step, _, _ in self.rows], dtype=torch.int32),
            "split": torch.tensor([SPLITS.index(s) for _, s, _ in self.rows], dtype=torch.int8),
            **{name: torch.stack([state[name] for state in states]) for name in states[0]},
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        steps, splits = state["step"].tolist(), [SPLITS[s] for s in state["split"].tolist()]
        closed = [self.train.copy() for _ in steps]
        for number, tally in enumerate([*closed, self.train]):
            tally.load_state({name: state[name][number] for name in tally.state()})
        self.rows = list(zip(steps, splits, closed, strict=True))

    def frames(self, until: Sequence[int | None]) -> list[pd.DataFrame]:
        """The history of each run, up to but not including its step in `until`, if it has one."""
        steps = np.array([step for step, _, _ in self.rows], dtype=np.int32)
        table = self._table(steps, [split for _, split, _ in self.rows])
        measured = [self.measure(split, tally) for _, split, tally in self.rows]
        names = self.measure("train", self.train)
        tables = {name: _stacked([own[name] for own in measured], len(until)) for name in names}
        frames = []
        for run, end in enumerate(until):
            kept = len(steps) if end is None else int(np.searchsorted(steps, end))
            columns = {name: values[:kept, run] for name, values in tables.items()}
            frames.append(table[:kept].assign(**columns))
        return frames

    def test_rows(self, steps: Tensor, tally: Tally) -> list[pd.DataFrame]:
        """The row of each run that was tested with its weights after one of the steps, [R]."""
        table = self._table(steps.cpu().numpy().astype(np.int32), ["test"] * len(steps))
        measured = self.measure("test", tally)
        rows = table.assign(**{name: of.float().cpu().numpy() for name, of in measured.items()})
        return [rows[run : run + 1] for run in range(len(rows))]

    def _table(
        self, steps: "np.ndarray[Any, np.dtype[np.int32]]", splits: Sequence[str]
    ) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "step": steps,
                "epoch": (steps / self.steps_per_epoch).astype(np.float32),
                "split": pd.Series(splits, dtype="str"),
            }
        )


def _stacked(rows: Sequence[Tensor], runs: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    table = torch.vstack(list(rows)) if rows else torch.empty(0, runs)
    return table.float().cpu().numpy()
