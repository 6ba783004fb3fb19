"""The one training loop. A single run is a stack of one."""

# R runs of the stack, B examples of the minibatch, I inputs

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from actscope.checkpoint import Checkpoint
from actscope.config import Point
from actscope.data import Data
from actscope.errors import ConfigError
from actscope.history import History, Tally
from actscope.model import StackedMLP, make_function, stream_seed
from actscope.optimiser import SGD
from actscope.outcome import Outcome, judge
from actscope.trajectory import (
    PROBE,
    PROBE_SIZE,
    TRAJECTORY,
    Recorder,
    active,
    probe_rows,
    trajectory_rows,
)

# Without it, where minibatches have an odd size, the last bits of MKL's products depend on where in
# memory a run of the stack lies. MKL reads it at its first product; it costs no time.
os.environ.setdefault("MKL_CBWR", "AUTO")

Histories = Callable[[], list[pd.DataFrame]]

EVALUATED_AT_ONCE = 1000  # test examples: enough to be fast, few enough to stay in the caches


@dataclass(frozen=True, eq=False)
class RunResult:
    """What came of one point.

    `history`, `trajectory` and `probe` have the columns of the run's Parquet files; a diverged
    run's end before step `diverged_at`. `state` holds its tensors as torch.nn.Linear and
    BatchNorm1d do.
    """

    point: Point
    outcome: Outcome
    diverged_at: int | None
    history: pd.DataFrame
    trajectory: pd.DataFrame
    probe: pd.DataFrame
    state: dict[str, Tensor]

    @property
    def test_accuracy(self) -> float:
        """Final test accuracy; NaN where the run diverged."""
        if self.diverged_at is not None:
            return math.nan
        return float(self.history.loc[self.history["split"] == "test", "accuracy"].iloc[-1])


def train_stack(
    points: Sequence[Point],
    data: Data,
    *,
    dtype: torch.dtype = torch.float32,
    on_step: Callable[[int], None] = lambda _: None,
    on_epoch: Callable[[Histories], None] = lambda _: None,
    checkpoint: Checkpoint | None = None,
) -> list[RunResult]:
    """Train points that differ in activation, learning rate and seed only, all at once.

    Each run's numbers are those that it would have alone. `on_step` is told the minibatches done,
    `on_epoch`, whenever one is over, how to get the history of each run so far.
    With `checkpoint` the training goes on where that stands, to the same numbers, and saves it from
    time to time; to discard it is left to the caller.
    """
    assert len({stack_key(point) for point in points}) == 1, "these points cannot share a stack"
    by_activation = sorted(range(len(points)), key=lambda i: repr(points[i].activation))
    place = [by_activation.index(i) for i in range(len(points))]
    with steady_arithmetic():
        training = Training([points[i] for i in by_activation], data, dtype)
        if checkpoint is not None:
            assert (len(checkpoint.signatures), checkpoint.dtype) == (len(points), dtype)
            _go_on(training, checkpoint)
        saved_at = time.monotonic()
        for step in training.steps():
            if checkpoint is not None and time.monotonic() - saved_at >= checkpoint.seconds:
                checkpoint.save(training.state())
                saved_at = time.monotonic()
            on_step(step)
            if step % training.steps_per_epoch == 0:
                on_epoch(partial(_histories_of, training, place))
        results = training.results()
    return [results[i] for i in place]


def _histories_of(training: "Training", place: Sequence[int]) -> list[pd.DataFrame]:
    histories = training.histories()
    return [histories[i] for i in place]


def _go_on(training: "Training", checkpoint: Checkpoint) -> None:
    state = checkpoint.load()
    if state is None:
        return
    try:
        training.load_state(state)
    except ValueError as error:
        # A signature knows a function by its name: a user's own may have other parameters by now.
        checkpoint.drop(str(error))


def stack_key(point: Point) -> Point:
    """What points of one stack have in common: all but activation, learning rate and seed."""
    anything = replace(point.activation, name="any", function="any", arguments=(), batch_norm=False)
    return replace(point, activation=anything, lr=1.0, seed=0)


def check_trainable(point: Point, data: Data) -> None:
    """Raise ConfigError where a point that is well-formed cannot be trained on these data."""
    examples = len(data.train_x)
    size = point.train.batch_size
    if size > examples:
        raise ConfigError(
            f"train.batch_size={size}: {data.name} has {examples} training examples; "
            "give at most that"
        )
    if point.activation.batch_norm and 1 in (size, examples % size):
        raise ConfigError(
            f"train.batch_size={size}: leaves a minibatch of one of the {examples} examples, which "
            f"{point.activation.name} cannot normalise; choose another size"
        )
    make_function(point.activation)


def total_steps(point: Point, data: Data) -> int:
    """Minibatches of the whole training; the last, smaller one of an epoch counts."""
    return point.train.epochs * math.ceil(len(data.train_x) / point.train.batch_size)


@contextmanager
def steady_arithmetic() -> Iterator[None]:
    """One thread, so that sums keep their order; denormals, frequent in failing runs, flushed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


class Resumable(Protocol):
    """What can be taken up again from tensors."""

    def state(self) -> dict[str, Tensor]: ...

    def load_state(self, state: Mapping[str, Tensor]) -> None: ...


class Training:
    """The state of a stack between two minibatches."""

    def __init__(self, points: Sequence[Point], data: Data, dtype: torch.dtype) -> None:
        self.points = points
        self.data = replace(data, train_x=data.train_x.to(dtype), test_x=data.test_x.to(dtype))
        self.settings = points[0].train
        self.stack = StackedMLP(points, data.features, data.classes, dtype)
        self.optimiser = SGD(self.stack, points, dtype)
        self.done = 0  # minibatches
        self.total = total_steps(points[0], data)
        self.steps_per_epoch = self.total // self.settings.epochs
        self.record_every = self._in_steps(points[0].trajectory.every)
        self.probe_every = self._in_steps(points[0].trajectory.probe_every)
        self.trajectory = Recorder(TRAJECTORY)
        self.probe = Recorder(PROBE)
        self.probe_x = self.data.train_x[probe_set(len(data.train_x))][None]  # [1, B, I]
        self.history = History(len(points), self.steps_per_epoch)
        self.late = Tally(len(points))
        self.has_diverged = torch.zeros(len(points), dtype=torch.bool)
        self.diverged_at: list[int | None] = [None] * len(points)
        self.diverged_state: dict[int, dict[str, Tensor]] = {}

    def steps(self) -> Iterator[int]:
        """Train on to the end, yielding after each minibatch how many are done."""
        seeds = [point.seed for point in self.points]
        epochs, batch_size = self.settings.epochs, self.settings.batch_size
        batches = minibatches(self.data, seeds, batch_size, epochs, self.done)
        for step, (x, y) in enumerate(batches, self.done + 1):
            if len(self.diverged_state) == len(self.points):
                return
            self._learn(step, x, y)
            if step % self.steps_per_epoch == 0:
                self._evaluate(step)
            if step % self.probe_every == 0 or step == self.total:
                self._look_at_probe_set(step)
            self.done = step
            yield step

    def histories(self) -> list[pd.DataFrame]:
        """The history of each run so far."""
        return self.history.frames(self.diverged_at)

    def results(self) -> list[RunResult]:
        """What came of each run."""
        histories = self.histories()
        widths = [bias.shape[2] for bias in self.stack.biases]
        trajectories = self.trajectory.frames(widths, self.diverged_at)
        probes = self.probe.frames(widths, self.diverged_at)
        late_accuracy = self.late.accuracy()
        return [
            RunResult(
                point=point,
                outcome=judge(point.outcome, float(late_accuracy[run]), self.diverged_at[run]),
                diverged_at=self.diverged_at[run],
                history=histories[run],
                trajectory=trajectories[run],
                probe=probes[run],
                state=self.diverged_state.get(run) or self.stack.state_of(run),
            )
            for run, point in enumerate(self.points)
        ]

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on from here; some of it not copied."""
        diverged_at = [-1 if step is None else step for step in self.diverged_at]
        state = {"done": torch.tensor(self.done), "diverged_at": torch.tensor(diverged_at)}
        for name, part in self._parts().items():
            state |= _prefixed(name, part.state())
        for run, own in self.diverged_state.items():
            state |= _prefixed(f"diverged/{run}", own)
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there.

        Raises:
            ValueError: it is not the state of such a stack; nothing was changed.

        """
        for name, part in self._parts().items():
            part.load_state(_under(name, state))
        self.done = int(state["done"])
        self.has_diverged = state["diverged_at"] >= 0
        self.diverged_at = [None if step < 0 else step for step in state["diverged_at"].tolist()]
        self.diverged_state = {
            run: _under(f"diverged/{run}", state)
            for run, step in enumerate(self.diverged_at)
            if step is not None
        }

    def _parts(self) -> dict[str, Resumable]:
        return {
            "stack": self.stack,  # first, as it sees whether the state is of such a stack
            "optimiser": self.optimiser,
            "history": self.history,
            "late": self.late,
            "trajectory": self.trajectory,
            "probe": self.probe,
        }

    def _learn(self, step: int, x: Tensor, y: Tensor) -> None:
        is_recorded = step % self.record_every == 0 or step == self.total
        logits, hidden = self.stack.forward(x, training=True)
        losses = example_losses(logits, y)  # [R, B]
        self._check_losses(step, losses.detach())
        hidden_active = [active(layer.slopes()) for layer in hidden] if is_recorded else []
        # Runs do not touch, so the gradient of the sum over runs is each run's own gradient.
        objective = losses.sum() if self.settings.reduction == "sum" else losses.mean(1).sum()
        self.optimiser.step(objective)
        with torch.no_grad():
            correct = (logits.argmax(2) == y).sum(1)
            self.history.train.add(losses, correct)
            if step > self.total - math.ceil(self.total / 10):
                self.late.add(losses, correct)
            if is_recorded:
                norms = self.optimiser.update_norms()
                self.trajectory.add(step, trajectory_rows(self.stack, norms, hidden_active))
                self.history.close_train(step)
                self._note_divergence(step, self.trajectory.last_is_finite())

    @torch.no_grad()
    def _evaluate(self, step: int) -> None:
        tally = Tally(len(self.points))
        for x, y in zip(
            self.data.test_x.split(EVALUATED_AT_ONCE),
            self.data.test_y.split(EVALUATED_AT_ONCE),
            strict=True,
        ):
            logits, _ = self.stack.forward(x[None], training=False)
            tally.add(example_losses(logits, y[None]), (logits.argmax(2) == y).sum(1))
        self.history.add(step, "test", tally)
        self._note_divergence(step, torch.isfinite(tally.loss) & self.stack_is_finite())

    def _look_at_probe_set(self, step: int) -> None:
        _, hidden = self.stack.forward(self.probe_x, training=False)
        self.probe.add(
            step, probe_rows(self.stack, [torch.cat(layer.slopes()) for layer in hidden])
        )

    def _in_steps(self, every: int | str) -> int:
        return self.steps_per_epoch if isinstance(every, str) else every

    def _check_losses(self, step: int, losses: Tensor) -> None:
        finite = torch.isfinite(losses.sum(1)) | self.has_diverged
        if not bool(finite.all()):
            # Weights that are not finite are the work of the step before, and show only now.
            self._note_divergence(step - 1, finite | self.stack_is_finite())
            self._note_divergence(step, finite)

    def stack_is_finite(self) -> Tensor:
        """Whether all trained tensors of each run are finite, [R]."""
        finite = torch.ones(len(self.points), dtype=torch.bool)
        for parameter in self.stack.parameters():
            finite[parameter.runs] &= torch.isfinite(parameter.value.detach().flatten(1)).all(1)
        return finite

    def _note_divergence(self, step: int, finite: Tensor) -> None:
        news = ~(finite | self.has_diverged)
        if not bool(news.any()):
            return
        for run in torch.nonzero(news).flatten().tolist():
            self.diverged_at[run] = step
            self.diverged_state[run] = self.stack.state_of(run)
        self.has_diverged |= news


def _prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": value for name, value in state.items()}


def _under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `_prefixed`."""
    start = f"{prefix}/"
    return {name[len(start) :]: state[name] for name in state if name.startswith(start)}


def probe_set(examples: int) -> Tensor:
    """Which training examples every run is probed on: the same ones, whatever its seed."""
    rng = torch.Generator().manual_seed(stream_seed(0, "probe"))
    return torch.randperm(examples, generator=rng)[:PROBE_SIZE]


def minibatches(
    data: Data, seeds: Sequence[int], batch_size: int, epochs: int, done: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs [R or 1, B, I] and classes [R or 1, B], shuffled anew each epoch by each run's seed.

    Runs of one seed see the same minibatches; where all do, the first dimension is 1. The first
    `done` minibatches are left out.
    """
    streams = {
        seed: torch.Generator().manual_seed(stream_seed(seed, "order"))
        for seed in dict.fromkeys(seeds)
    }
    examples = len(data.train_x)
    for _ in range(epochs):
        # Those of past epochs are drawn again, so that no state of a generator has to be kept.
        orders = {seed: torch.randperm(examples, generator=rng) for seed, rng in streams.items()}
        rows = torch.stack(
            list(orders.values()) if len(orders) == 1 else [orders[s] for s in seeds]
        )
        batches = rows.split(batch_size, dim=1)
        skipped = min(done, len(batches))
        done -= skipped
        for chosen in batches[skipped:]:
            flat = chosen.flatten()
            # index_select gathers several times faster than x[index].
            x = torch.index_select(data.train_x, 0, flat)
            yield x.unflatten(0, chosen.shape), data.train_y[chosen]


def example_losses(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of each example, [R, B], of logits [R, B, classes] and classes [R or 1, B]."""
    classes = y.expand(logits.shape[:2])
    losses = functional.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="none")
    return losses.view(classes.shape)
