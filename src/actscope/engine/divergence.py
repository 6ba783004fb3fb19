"""Which runs of a stack have diverged, and when."""

# R runs of the stack

import math
from collections.abc import Mapping

import torch
from torch import Tensor

NOT_YET = -1


class Divergence:
    """Noted where the training computes, so that a GPU is never waited for.

    A run that has diverged keeps the tensors that it had then: `frozen` is for who would change
    them.
    """

    def __init__(self, runs: int, device: torch.device) -> None:
        self.noted = torch.full((runs,), NOT_YET, dtype=torch.int64, device=device)  # at which step
        self.in_loss = torch.zeros(runs, dtype=torch.bool, device=device)  # of the minibatch
        self.known: Tensor | None = None  # what `frozen` tells on a CPU

    def note(self, step: Tensor, finite: Tensor) -> Tensor:
        """Those that are not `finite`, [R], after a step have diverged at it; which are new."""
        news = ~finite & (self.noted == NOT_YET)
        self.noted.copy_(torch.where(news, step, self.noted))
        self._look()
        return news

    def note_losses(self, step: Tensor, losses: Tensor) -> None:
        """Those whose loss on a minibatch, [R], is not finite: at its step, or before it."""
        # On a GPU, to look at it would be to wait for it. None is negative, so none hides another.
        if losses.is_cuda or not math.isfinite(losses.sum()):
            self.in_loss |= self.note(step, torch.isfinite(losses))

    def frozen(self) -> Tensor | None:
        """Whether each run has diverged, [R]; None where it is known that none has."""
        return self.noted != NOT_YET if self.noted.is_cuda else self.known

    def is_everyones(self) -> bool:
        frozen = self.frozen()
        return frozen is not None and bool(frozen.all())

    def _look(self) -> None:
        if not self.noted.is_cuda:
            frozen = self.noted != NOT_YET
            self.known = frozen if bool(frozen.any()) else None

    def steps(self, weights_are_finite: Tensor) -> list[int | None]:
        """The step at which each run diverged.

        Weights that are not finite, [R], are the work of the step before the one whose loss told.
        """
        at = self.noted - (self.in_loss & ~weights_are_finite).long()
        return [None if step < 0 else step for step in at.tolist()]

    def state(self) -> dict[str, Tensor]:
        """All that is noted, not copied."""
        return {"noted": self.noted, "in_loss": self.in_loss}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for name, own in self.state().items():
            own.copy_(state[name])
        self._look()
