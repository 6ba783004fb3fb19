"""Records which runs of a stack have diverged, and at which step."""

# R runs of the stack

import math
from collections.abc import Mapping

import torch
from torch import Tensor

NOT_YET = -1


class Divergence:
    """The divergence of each run, kept on the training's device, so that nothing waits for a GPU.

    A diverged run keeps its tensors: code that changes tensors leaves out the `frozen` runs.
    """

    def __init__(self, runs: int, device: torch.device) -> None:
        self.noted = torch.full((runs,), NOT_YET, dtype=torch.int64, device=device)  # at which step
        self.in_loss = torch.zeros(runs, dtype=torch.bool, device=device)  # of the minibatch
        self.known: Tensor | None = None  # the result of `frozen` on a CPU

    def note(self, step: Tensor, finite: Tensor) -> Tensor:
        """Record runs that are not `finite`, [R], as diverged at this step; return the new ones."""
        news = ~finite & (self.noted == NOT_YET)
        self.noted.copy_(torch.where(news, step, self.noted))
        self._update_known()
        return news

    def note_losses(self, step: Tensor, losses: Tensor) -> None:
        """Record runs whose loss on a minibatch, [R], is not finite, at this step or before."""
        # Reading the sum would wait for a GPU. No loss is negative, so the sum hides none.
        if losses.is_cuda or not math.isfinite(losses.sum()):
            self.in_loss |= self.note(step, torch.isfinite(losses))

    def frozen(self) -> Tensor | None:
        """Whether each run has diverged, [R]; None if it is known that none has."""
        return self.noted != NOT_YET if self.noted.is_cuda else self.known

    def have_all_diverged(self) -> bool:
        frozen = self.frozen()
        return frozen is not None and bool(frozen.all())

    def _update_known(self) -> None:
        if not self.noted.is_cuda:
            frozen = self.noted != NOT_YET
            self.known = frozen if bool(frozen.any()) else None

    def steps(self, weights_are_finite: Tensor) -> list[int | None]:
        """The step at which each run diverged, or None.

        If the loss showed it and weights are not finite, [R], the step before caused it.
        """
        at = self.noted - (self.in_loss & ~weights_are_finite).long()
        return [None if step < 0 else step for step in at.tolist()]

    def state(self) -> dict[str, Tensor]:
        """All records, not copied."""
        return {"noted": self.noted, "in_loss": self.in_loss}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for name, own in self.state().items():
            own.copy_(state[name])
        self._update_known()
