"""Activation functions that go wrong, each in its own way."""

import os
import signal
from pathlib import Path

import torch
from torch import Tensor, nn


class RaisesInTraining(nn.Module):
    """ReLU until it is differentiated."""

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            raise RuntimeError("this function cannot be trained")
        return torch.relu(x)


class RunsOutOfMemory(nn.Module):
    """ReLU until it is differentiated; then it asks for more memory than there can be."""

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            torch.empty(2**59)
        return torch.relu(x)


class KillsItsProcessOnce(nn.Module):
    """ReLU, but the first process that differentiates it dies as if by the hand of the system."""

    def forward(self, x: Tensor) -> Tensor:
        flag = Path(os.environ["KILLED_ONCE"])
        if x.requires_grad and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.relu(x)
