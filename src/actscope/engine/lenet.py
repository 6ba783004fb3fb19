"""A small convolutional network, written as a user writes one."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn


class LeNet(nn.Module):
    """Two convolutions, each followed by average pooling, and two wide layers.

    After LeNet-5 (LeCun et al., 1998). It takes images [B, C, H, W] of 8 x 8 pixels or more.

    Example:
        >>> LeNet(nn.ReLU, classes=10, in_shape=(1, 28, 28))(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])

    """

    def __init__(
        self,
        activation: Callable[[], nn.Module],
        classes: int,
        in_shape: tuple[int, int, int],
        channels: Sequence[int] = (6, 16),
        hidden: Sequence[int] = (120, 84),
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_shape[0], channels[0], 5, padding=2)
        self.act1 = activation()
        self.conv2 = nn.Conv2d(channels[0], channels[1], 3, padding=1)
        self.act2 = activation()
        self.pool = nn.AvgPool2d(2)
        pixels = (in_shape[1] // 4) * (in_shape[2] // 4)
        self.fc1 = nn.Linear(channels[1] * pixels, hidden[0])
        self.act3 = activation()
        self.fc2 = nn.Linear(hidden[0], hidden[1])
        self.act4 = activation()
        self.output = nn.Linear(hidden[1], classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool(self.act1(self.conv1(images)))
        maps = self.pool(self.act2(self.conv2(maps)))
        values = self.act3(self.fc1(maps.flatten(1)))
        logits: Tensor = self.output(self.act4(self.fc2(values)))
        return logits
