"""Which runs of a stack have diverged, and when."""

# R runs of the stack

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

    def note(self, step: Tensor, finite: Tensor) -> None:
        """Those that are not `finite`, [R], after a step have diverged at it."""
        news = self._news(finite)
        self.noted.copy_(torch.where(news, step, self.noted))

    def note_losses(self, step: Tensor, losses: Tensor) -> None:
        """Those whose losses on a minibatch, [R, B], are not finite: at its step, or before it."""
        news = self._news(torch.isfinite(losses.sum(1)))
        self.in_loss |= news
        self.noted.copy_(torch.where(news, step, self.noted))

    def frozen(self) -> Tensor | None:
        """Whether each run has diverged, [R]; None where it is known that none has."""
        if self.noted.is_cuda:
            return self.noted != NOT_YET  # to look at it would be to wait for it
        frozen = self.noted != NOT_YET
        return frozen if bool(frozen.any()) else None

    def is_everyones(self) -> bool:
        return bool((self.noted != NOT_YET).all())

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

    def _news(self, finite: Tensor) -> Tensor:
        return ~finite & (self.noted == NOT_YET)
