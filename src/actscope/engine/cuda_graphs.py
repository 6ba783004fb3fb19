"""Training steps as CUDA graphs: one launch a step instead of hundreds."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

Step = Callable[[Tensor, bool], Tensor | None]


@dataclass(frozen=True)
class Captured:
    """A captured step with its input and result tensors."""

    graph: torch.cuda.CUDAGraph
    given: Tensor
    result: Tensor | None


class Replayed:
    """A step that is captured once for each input shape and flag, and then replayed.

    `step` must change its state in place and must not read a value from the GPU. The first call of
    each kind is an ordinary one, in which libraries initialise themselves.
    https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.pool = torch.cuda.graph_pool_handle()
        self.met: set[Hashable] = set()
        self.captured: dict[Hashable, Captured] = {}

    def __call__(self, given: Tensor, flag: bool) -> Tensor | None:
        kind = (given.shape, flag)
        if kind not in self.met:
            self.met.add(kind)
            return self.step(given, flag)
        if kind not in self.captured:
            self.captured[kind] = self._capture(given.clone(), flag)
        captured = self.captured[kind]
        captured.given.copy_(given)
        captured.graph.replay()
        return None if captured.result is None else captured.result.clone()

    def _capture(self, given: Tensor, flag: bool) -> Captured:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            result = self.step(given, flag)
        return Captured(graph, given, result)
