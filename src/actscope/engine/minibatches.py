"""The minibatches of a stack, step by step."""

# R runs of the stack, S seeds that they have, B examples, I inputs

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from actscope.config import Point, Train
from actscope.engine.data import Data
from actscope.engine.layers import ON_CPU, Inputs, shared_by_neighbours
from actscope.engine.random_streams import stream_seed
from actscope.engine.recorded import PROBE_SIZE

# Numbers of a minibatch that is copied for each run on a CPU. In stacks of five seeds copies make
# a run-step on the digits (6,400) a sixth faster, and one on MNIST (78,400) a third slower.
COPIED_VALUES = 16_384


class Minibatches:
    """The minibatches of a stack; runs of one seed share them."""

    def __init__(self, points: Sequence[Point], data: Data, device: torch.device = ON_CPU) -> None:
        self.data = data
        self.settings = points[0].train
        self.device = device
        seeds = [point.seed for point in points]
        self.seeds = list(dict.fromkeys(seeds))
        of_run = [self.seeds.index(seed) for seed in seeds]
        self.seed_of_run = torch.tensor(of_run, device=device)
        self.shares = shared_by_neighbours(of_run)
        # On a GPU, and for few features, reading more is faster than a product in parts.
        is_small = self.settings.batch_size * data.features <= COPIED_VALUES
        self.copies_inputs = len(self.seeds) > 1 and (device.type == "cuda" or is_small)

    def rows(self, done: int) -> Iterator[Tensor]:
        """Row numbers in the training split, [S, B], without the first `done` minibatches."""
        return shuffled_rows(len(self.data.train_x), self.settings, self.seeds, done, self.device)

    def examples(self, rows: Tensor) -> tuple[Inputs, Tensor]:
        """Inputs and classes [R or 1, B], or targets [R or 1, B, F], by the seeds' rows [S, B]."""
        of_run = rows.index_select(0, self.seed_of_run) if len(rows) > 1 else rows
        y = torch.index_select(self.data.train_y, 0, of_run.flatten()).unflatten(0, of_run.shape)
        if self.copies_inputs:
            rows = of_run
        # index_select gathers several times faster than x[index].
        x = torch.index_select(self.data.train_x, 0, rows.flatten()).unflatten(0, rows.shape)
        return Inputs.of_each(x) if self.copies_inputs else Inputs(x, self.shares), y


def shuffled_rows(
    examples: int,
    settings: Train,
    seeds: Sequence[int],
    done: int = 0,
    device: torch.device = ON_CPU,
) -> Iterator[Tensor]:
    """Row numbers in the training split, [S, B], shuffled again in each epoch by each of S seeds.

    A seed's rows do not depend on the other seeds. The first `done` minibatches are left out.
    """
    streams = [torch.Generator().manual_seed(stream_seed(seed, "order")) for seed in seeds]
    for _ in range(settings.epochs):
        # Past epochs are drawn again, so that no generator state has to be saved.
        orders = torch.stack([torch.randperm(examples, generator=rng) for rng in streams])
        if device.type == "cuda":
            orders = orders.pin_memory()  # otherwise the copy would wait for the end of this epoch
        batches = orders.to(device, non_blocking=True).split(settings.batch_size, dim=1)
        skipped = min(done, len(batches))
        done -= skipped
        yield from batches[skipped:]


def probe_set(examples: int) -> Tensor:
    """The training examples on which every run is probed, the same for all seeds."""
    rng = torch.Generator().manual_seed(stream_seed(0, "probe"))
    return torch.randperm(examples, generator=rng)[:PROBE_SIZE]
