"""Networks as a user may write them: those that train, and those that cannot."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Factory = Callable[[], nn.Module]


class Perceptron(nn.Module):
    """The built-in network as a user would write it."""

    def __init__(
        self,
        activation: Factory,
        classes: int,
        in_shape: tuple[int, ...],
        hidden: tuple[int, ...] = (16,),
        norm: bool = False,
    ) -> None:
        super().__init__()
        widths = [int(torch.tensor(in_shape).prod()), *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in zip(widths, hidden, strict=False):
            layers += [nn.Linear(fan_in, fan_out)]
            layers += [nn.BatchNorm1d(fan_out)] if norm else []
            layers += [activation()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Residual(nn.Module):
    """Two convolutions with a shortcut, dropout, and pooling before the logits."""

    def __init__(
        self,
        activation: Factory,
        classes: int,
        in_shape: tuple[int, int, int],
        channels: int = 6,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_shape[0], channels, 3, padding=1)
        self.act1 = activation()
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.act2 = activation()
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.first(x))
        x = self.act2(self.norm(self.second(x)) + x)
        return self.last(self.dropout(x.mean((2, 3))))


class OneConvolution(nn.Module):
    """Three channels of one pixel each."""

    def __init__(self, activation: Factory, classes: int, in_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_shape[0], 3, 1)
        self.act = activation()
        self.last = nn.Linear(3, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.conv(x)).mean((2, 3)))


class Decoder(nn.Module):
    def __init__(self, activation: Factory, classes: int, in_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_shape[0], 3, 2)
        self.act = activation()
        self.last = nn.Linear(3, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.up(x)).mean((2, 3)))


class OfTokens(nn.Module):
    """A transformer of two blocks, whose modules torch copies."""

    def __init__(self, activation: Factory, classes: int, in_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 8)
        block = nn.TransformerEncoderLayer(
            8, 2, dim_feedforward=16, activation=activation(), batch_first=True
        )
        self.encoder = nn.TransformerEncoder(block, 2)
        self.last = nn.Linear(8 * in_shape[0], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.encoder(self.embedding(x)).flatten(1))


class WithoutBiases(nn.Module):
    def __init__(self, activation: Factory, classes: int, in_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.a = nn.Linear(in_shape[2], 4, bias=False)  # of each row of pixels
        self.b = nn.Linear(4, 4, bias=False)
        self.c = nn.Linear(4, classes, bias=False)
        self.acts = nn.ModuleList([activation(), activation()])

    def forward(self, x: Tensor) -> Tensor:
        x = self.acts[1](self.b(self.acts[0](self.a(x[:, 0]))))
        return self.c(x.mean(1))


class FailsLater(OneConvolution):
    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == 6:
            raise ValueError("too late")
        return super().forward(x)


# Networks that are refused


def not_a_class() -> None: ...


class Unwatched(OneConvolution):
    def __init__(self, activation: Factory, classes: int, in_shape: tuple[int, int, int]) -> None:  # noqa: ARG002 - that is the mistake
        super().__init__(nn.ReLU, classes, in_shape)


class CalledTwice(OneConvolution):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.act(self.conv(x))).mean((2, 3)))


class NeverCalled(OneConvolution):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.conv(x).mean((2, 3)))


class OnPixels(OneConvolution):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(x.expand(-1, 3, -1, -1)).mean((2, 3)))


class Flattened(OneConvolution):
    def forward(self, x: Tensor) -> Tensor:
        values = self.act(self.conv(x).flatten(1))
        return self.last(values.unflatten(1, (3, -1)).mean(2))


class WrongLogits(OneConvolution):
    def __init__(self, activation: Factory, classes: int, in_shape: tuple[int, int, int]) -> None:
        super().__init__(activation, classes + 2, in_shape)


class ReturnsPair(OneConvolution):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = super().forward(x)
        return logits, logits


class ForLargeImages(OneConvolution):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.view(len(x), 1, 20, 20))


class FailsToStart(OneConvolution):
    def __init__(self, activation: Factory, classes: int, in_shape: tuple[int, int, int]) -> None:
        super().__init__(activation, classes, in_shape)
        raise KeyError("lost")


class ByKeyword(OneConvolution):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(input=self.conv(x)).mean((2, 3)))


class InPlace(OneConvolution):
    """Changes what the backward pass of a sigmoid needs."""

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.conv(x)).mul_(2).mean((2, 3)))


class WrongOutputs(nn.Module):
    """Its outputs lack a dimension of the targets."""

    def __init__(
        self, activation: Factory, out_shape: tuple[int, ...], in_shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.first = nn.Linear(in_shape[-1], 3)
        self.act = activation()
        self.last = nn.Linear(3, out_shape[-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.first(x))).mean(1)
