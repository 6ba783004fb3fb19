"""The training loop. It trains a stack of runs at once; a single run is a stack of one."""

# R runs of the stack, B examples of the minibatch, I inputs

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from actscope.config import Point
from actscope.engine.activations import contained
from actscope.engine.arithmetic import steady_arithmetic
from actscope.engine.choose_network import network_and_optimiser
from actscope.engine.cuda_graphs import Replayed
from actscope.engine.data import Data
from actscope.engine.device import CPU
from actscope.engine.divergence import Divergence
from actscope.engine.evaluation import Evaluation
from actscope.engine.history import History, Tally
from actscope.engine.layer_statistics import layer_record
from actscope.engine.layers import Inputs
from actscope.engine.minibatches import Minibatches, probe_set
from actscope.engine.model import StackedMLP
from actscope.engine.objective import Measures, example_losses, is_right
from actscope.engine.recorded import LAYER_EXAMPLES, LAYER_STATISTICS, PROBE, TRAJECTORY
from actscope.engine.result import RunResult, judge
from actscope.engine.saved_state import Checkpoint, Resumable, prefixed, without_prefix
from actscope.engine.schedule import in_steps, stack_key, total_steps
from actscope.engine.trajectory import Recorder, active, is_finite, probe_record, trajectory_record

Histories = Callable[[], list[pd.DataFrame]]


def train_stack(
    points: Sequence[Point],
    data: Data,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = CPU,
    on_step: Callable[[int], None] = lambda _: None,
    on_epoch: Callable[[Histories], None] = lambda _: None,
    checkpoint: Checkpoint | None = None,
) -> list[RunResult]:
    """Train points that differ only in activation, learning rate and seed, all at once.

    Each run gets the numbers that it would get alone, on a CPU to the last bit.
    `on_step` is called with the number of minibatches done, `on_epoch` after each epoch with a
    function that returns the history of each run so far. With `checkpoint` the training continues
    from its state, with the same numbers, and saves it at intervals; the caller discards it.
    """
    assert len({stack_key(point) for point in points}) == 1, "these points cannot share a stack"
    # Runs with the same activation, and within these the same seed, are neighbours.
    order = sorted(range(len(points)), key=lambda i: (repr(points[i].activation), points[i].seed))
    place = [order.index(i) for i in range(len(points))]
    with steady_arithmetic():
        training = Training([points[i] for i in order], data, dtype, device)
        if checkpoint is not None:
            assert (len(checkpoint.signatures), checkpoint.dtype) == (len(points), dtype)
            _resume(training, checkpoint)
        saved_at = time.monotonic()
        for step in training.steps():
            if checkpoint is not None and time.monotonic() - saved_at >= checkpoint.seconds:
                checkpoint.save({name: part.cpu() for name, part in training.state().items()})
                saved_at = time.monotonic()
            on_step(step)
            if step % training.steps_per_epoch == 0:
                on_epoch(partial(_histories_of, training, place))
        results = training.results()
    return [results[i] for i in place]


def _histories_of(training: "Training", place: Sequence[int]) -> list[pd.DataFrame]:
    histories = training.histories()
    return [histories[i] for i in place]


def _resume(training: "Training", checkpoint: Checkpoint) -> None:
    state = checkpoint.load()
    if state is None:
        return
    try:
        training.load_state(state)
    except ValueError as error:
        # A signature does not include the version of an installed package that has the function.
        checkpoint.drop(str(error))


class Training:
    """The state of a stack between two minibatches."""

    def __init__(
        self,
        points: Sequence[Point],
        data: Data,
        dtype: torch.dtype,
        device: torch.device | str = CPU,
    ) -> None:
        self.points = points
        self.device = device = torch.device(device)
        self.data = data.to(device, dtype)
        self.minibatches = Minibatches(points, self.data, device)
        self.network, self.optimiser = network_and_optimiser(points, data, dtype, self.device)
        is_replayed = device.type == "cuda" and isinstance(self.network, StackedMLP)
        self.learn = Replayed(self._learn) if is_replayed else self._learn
        self.done = 0  # minibatches
        self.clock = torch.zeros(
            (), dtype=torch.int64, device=device
        )  # the current minibatch, on the device
        self.total = total_steps(points[0], data)
        self.steps_per_epoch = self.total // points[0].train.epochs
        self.record_every = in_steps(points[0].trajectory.every, self.steps_per_epoch)
        self.probe_every = in_steps(points[0].trajectory.probe_every, self.steps_per_epoch)
        self.late_from = self.total - math.ceil(self.total / 10) + 1
        self.trajectory = Recorder(TRAJECTORY, device)
        self.probe = Recorder(PROBE, device)
        self.layers = Recorder(LAYER_STATISTICS, device)
        rows = probe_set(len(data.train_x))
        probe_x = self.data.train_x[rows]
        self.probe_x = Inputs.of_all(probe_x, len(points))
        self.layers_x = Inputs.of_all(probe_x[:LAYER_EXAMPLES], len(points))
        self.layers_y = self.data.train_y[rows[:LAYER_EXAMPLES]]
        self.measures = Measures.of(data)
        self.history = History(len(points), self.steps_per_epoch, device, self.measures.of_tally)
        self.late = Tally(len(points), device)  # of the last tenth of the steps
        self.evaluation = Evaluation(self.network, self.data)
        self.divergence = Divergence(len(points), device)

    def steps(self) -> Iterator[int]:
        """Train to the end; yield the number of minibatches done after each one."""
        if self.done == 0:
            with contained():
                self._record_start()
        for step, rows in enumerate(self.minibatches.rows(self.done), self.done + 1):
            if self.device.type == "cpu" and self.divergence.have_all_diverged():
                return
            with contained():
                self._take(step, rows)
            self.done = step
            yield step

    def _take(self, step: int, rows: Tensor) -> None:
        """Train on a minibatch, and record what is due after it."""
        if step == self.late_from:
            self.late.reset()
        is_recorded = step % self.record_every == 0 or step == self.total
        record = self.learn(rows, is_recorded)
        if record is not None:
            self.trajectory.add(step, record)
            self.history.close_train(step)
        if step % self.steps_per_epoch == 0:
            self._evaluate(step)
        if step % self.probe_every == 0 or step == self.total:
            self._record_probe(step)
        if step == self.total and self.evaluation.validates:
            self.evaluation.test_best_epoch(self.divergence.frozen())

    def histories(self) -> list[pd.DataFrame]:
        """The history of each run so far."""
        return self._histories(self._diverged_at())

    def _histories(self, diverged_at: Sequence[int | None]) -> list[pd.DataFrame]:
        frames = self.history.frames(diverged_at)
        if not self.evaluation.is_tested():
            return frames
        rows = self.history.test_rows(self.evaluation.best_step, self.evaluation.tested)
        return [
            frame if end is not None else pd.concat([frame, row], ignore_index=True)
            for frame, row, end in zip(frames, rows, diverged_at, strict=True)
        ]

    def results(self) -> list[RunResult]:
        """The result of each run."""
        diverged_at = self._diverged_at()
        histories = self._histories(diverged_at)
        widths = self.network.widths
        trajectories = self.trajectory.frames(widths, diverged_at)
        probes = self.probe.frames(widths, diverged_at)
        layers = self.layers.frames([1] * len(widths), diverged_at)
        judged = self.measures.judged(self.late).tolist()
        return [
            RunResult(
                point=point,
                layer_names=self.network.layer_names,
                widths=self.network.widths,
                outcome=judge(point.outcome, judged[run], diverged_at[run]),
                diverged_at=diverged_at[run],
                history=histories[run],
                trajectory=trajectories[run],
                probe=probes[run],
                layers=layers[run].drop(columns="unit"),
                predictions=self._predictions(run, diverged_at[run]),
                state=self.network.state_of(run),
            )
            for run, point in enumerate(self.points)
        ]

    def state(self) -> dict[str, Tensor]:
        """All tensors that are needed to continue from here; some of them not copied."""
        state = {"done": torch.tensor(self.done)}
        for name, part in self._parts().items():
            state |= prefixed(name, part.state())
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved state.

        Raises:
            ValueError: it is the state of another stack; nothing was changed.

        """
        for name, part in self._parts().items():
            part.load_state(without_prefix(name, state))
        self.done = int(state["done"])
        self.clock.fill_(self.done)

    def _parts(self) -> dict[str, Resumable]:
        return {
            "network": self.network,  # first, as it checks that the state belongs to it
            "optimiser": self.optimiser,
            "history": self.history,
            "late": self.late,
            "evaluation": self.evaluation,
            "divergence": self.divergence,
            "trajectory": self.trajectory,
            "probe": self.probe,
            "layers": self.layers,
        }

    def _learn(self, rows: Tensor, is_recorded: bool) -> Tensor | None:
        """Take one step of all runs on the seeds' minibatches, rows [S, B]; return its record.

        All changes are in place, and on a GPU nothing waits for them.
        """
        self.clock.add_(1)
        x, y = self.minibatches.examples(rows)
        passed = self.network.forward(x, training=True, frozen=self.divergence.frozen())
        of_examples = example_losses(passed.logits, y)
        losses = of_examples.detach().sum(1)  # [R]
        self.divergence.note_losses(self.clock, losses)
        hidden_active = [active(layer.slopes()) for layer in passed.hidden] if is_recorded else []
        self.optimiser.step(of_examples, passed, self.divergence.frozen())
        with torch.no_grad():
            correct = is_right(passed.logits, y).sum(1)
            for tally in (self.history.train, self.late):
                tally.add(losses, correct, y.shape[1])
            if not is_recorded:
                return None
            record = trajectory_record(self.network, self.optimiser.update_norms(), hidden_active)
            self.divergence.note(self.clock, is_finite(record))
            return record

    @torch.no_grad()
    def _evaluate(self, step: int) -> None:
        tally = self.evaluation.after_epoch(step)
        self.history.add(step, self.evaluation.split, tally)
        self.divergence.note(self.clock, torch.isfinite(tally.loss) & self.network_is_finite())

    def _record_start(self) -> None:
        """Record the untrained units; as no minibatch is done, `active` is on the probe set."""
        slopes = self._record_probe(0)
        still = [torch.zeros_like(bias) for bias in self.network.unit_biases()]
        shares = [active(own) for own in slopes]
        record = trajectory_record(self.network, still, shares)
        self.trajectory.add(0, record)
        self.divergence.note(self.clock, is_finite(record))

    def _record_probe(self, step: int) -> list[tuple[Tensor, ...]]:
        """Record units and layers; return the slopes of hidden units on the probe set.

        The slopes of each hidden layer, [G, B, O] an activation, are magnitudes.
        """
        hidden = self.network.forward(self.probe_x, training=False).hidden
        slopes = [layer.slopes() for layer in hidden]
        record = probe_record(self.network, slopes)
        self.probe.add(step, record)
        self.layers.add(step, layer_record(self.network, self.layers_x, self.layers_y, record))
        return slopes

    def _predictions(self, run: int, diverged_at: int | None) -> pd.DataFrame:
        correct = self.evaluation.correct[run]
        return pd.DataFrame({"correct": (correct if diverged_at is None else correct[:0]).cpu()})

    def network_is_finite(self) -> Tensor:
        """Whether all trained tensors of each run are finite, [R]."""
        finite = torch.ones(len(self.points), dtype=torch.bool, device=self.device)
        for parameter in self.network.parameters():
            value = parameter.value.detach()
            finite[parameter.runs] &= torch.isfinite(value.reshape(len(value), -1)).all(1)
        return finite

    def _diverged_at(self) -> list[int | None]:
        return self.divergence.steps(self.network_is_finite())
