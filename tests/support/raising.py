"""Activation functions that go wrong in training, each in its own way, and pass the trial before.

That tries a function on fewer values than a minibatch of these tests holds.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

TRIED_ON = 24  # values


def is_training(x: Tensor) -> bool:
    return x.requires_grad and x.numel() > TRIED_ON


class RaisesInTraining(nn.Module):
    """ReLU until it is trained with."""

    def forward(self, x: Tensor) -> Tensor:
        if is_training(x):
            raise RuntimeError("this function cannot be trained")
        return torch.relu(x)


class RunsOutOfMemory(nn.Module):
    """ReLU until it is trained with; then it asks for more memory than there can be."""

    def forward(self, x: Tensor) -> Tensor:
        if is_training(x):
            torch.empty(2**59)
        return torch.relu(x)


class KillsItsProcessOnce(nn.Module):
    """ReLU, but the first process that trains with it dies as if by the hand of the system."""

    def forward(self, x: Tensor) -> Tensor:
        flag = Path(os.environ["KILLED_ONCE"])
        if is_training(x) and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.relu(x)


class ExitsInTraining(nn.Module):
    """ReLU until it is trained with; then it ends the process, as if all were well."""

    def forward(self, x: Tensor) -> Tensor:
        if is_training(x):
            sys.exit(0)
        return torch.relu(x)
