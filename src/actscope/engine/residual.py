"""A small residual network with batch normalisation."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

Factory = Callable[[], nn.Module]


class ResidualCNN(nn.Module):
    """A convolution, a residual block for each number of `channels`, and a linear layer.

    After the ResNets of He et al. (2016, arXiv:1512.03385). The first convolution and each block
    but the first halve height and width. It takes images [B, C, H, W].

    Example:
        >>> ResidualCNN(nn.ReLU, classes=10, in_shape=(3, 32, 32))(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])

    """

    def __init__(
        self,
        activation: Factory,
        classes: int,
        in_shape: tuple[int, int, int],
        channels: Sequence[int] = (8, 16, 32),
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_shape[0], channels[0], 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels[0])
        self.act = activation()
        inputs = [channels[0], *channels[:-1]]
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(activation, before, after, stride=1 if number == 0 else 2)
                for number, (before, after) in enumerate(zip(inputs, channels, strict=True))
            )
        )
        self.output = nn.Linear(channels[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.blocks(self.act(self.norm(self.conv(images))))
        logits: Tensor = self.output(maps.mean((2, 3)))
        return logits


class ResidualBlock(nn.Module):
    """Two convolutions, whose sum with the block's input is activated.

    If the block changes the shape, a 1 x 1 convolution brings its input to the new one.
    """

    def __init__(self, activation: Factory, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.act1 = activation()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.act2 = activation()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, maps: Tensor) -> Tensor:
        values = self.act1(self.norm1(self.conv1(maps)))
        summed: Tensor = self.act2(self.norm2(self.conv2(values)) + self.shortcut(maps))
        return summed
