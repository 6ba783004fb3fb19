"""Activation functions as a user may write them: those that train, and those that cannot."""

import random

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx


class Shift(nn.Module):
    """Hands its gradient on unchanged, as the identity does."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1


class Swish(nn.Module):
    """Has a parameter without a dimension."""

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(beta))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.beta * x)


class Scaled(nn.Module):
    """Has constants: a buffer, and a parameter that is not to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("slope", torch.tensor([0.5]))
        self.offset = nn.Parameter(torch.tensor([0.25]), requires_grad=False)
        self.gain = nn.Parameter(torch.tensor([[1.5]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * torch.where(x > 0, x, self.slope * x) + self.offset


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(_: FunctionCtx, x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def backward(_: FunctionCtx, gradient: Tensor) -> Tensor:
        return gradient


class Sign(nn.Module):
    """Has a gradient of its own making."""

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = StraightThrough.apply(x)
        return made


class SquareRoot(nn.Module):
    """Is NaN for half of its inputs."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sqrt()


class Step(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.height = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.height * torch.ones_like(x)


class Detached(nn.Module):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x)


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.clamp_(min=0)


class BehindItsBack(nn.Module):
    """Works in place where autograd does not see it."""

    def forward(self, x: Tensor) -> Tensor:
        x.data.clamp_(min=0)
        return x * 1


class Overwritten(nn.Module):
    """Changes what its own derivative needs."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x).mul_(2).clone() + torch.sigmoid(x).mul_(2)


class Spare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x)


class ByHand(nn.Module):
    """Uses its parameter where a stack cannot give it that of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1))
        self.used = [self.beta]

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) * self.used[0]


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x.double())


class Half(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x).half()


class Centred(nn.Module):
    """Depends on all inputs, but not on their order."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) - x.mean()


class Viewed(nn.Module):
    """Insists on how its input lies in memory."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x.view(-1)).view(x.shape)


class RandomStart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.rand(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.slope * x)


class SeldomRandom(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 1e-9)


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + random.random()  # noqa: S311 - no secret


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return torch.relu(x)


class Moody(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) if self.training else x


class Misspelt(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return tourch.relu(x)  # type: ignore[name-defined]  # noqa: F821


class Unfinished(nn.Module):
    def forward(self, _: Tensor) -> Tensor:
        raise NotImplementedError("to be written")


class Exits(nn.Module):
    def forward(self, _: Tensor) -> Tensor:
        raise SystemExit(0)


class ExitsAtOnce(nn.Module):
    def __init__(self) -> None:
        raise SystemExit(0)


class Interrupts(nn.Module):
    def forward(self, _: Tensor) -> Tensor:
        raise KeyboardInterrupt


class ExitsBackward(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            raise GeneratorExit
        return torch.relu(x)


class Times(nn.Module):
    """The input times a number."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.by
