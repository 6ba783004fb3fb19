"""The network of this study. Edit it, or write another class and name it in conf/model/."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Two convolutions, a pooling and two linear layers.

    actscope passes `activation`, `classes` and `in_shape`. All other arguments come from
    conf/model/small_cnn.yaml.
    """

    def __init__(
        self,
        activation: Callable[[], nn.Module],
        classes: int,
        in_shape: tuple[int, int, int],  # channels, height and width of an image
        channels: Sequence[int] = (8, 16),
        hidden: int = 32,
    ) -> None:
        super().__init__()
        # Each call of `activation()` makes a module, such as nn.ReLU, that actscope watches. Call
        # it once for each layer. The units of a layer are the channels of a convolution, or the
        # features of a linear layer.
        self.conv1 = nn.Conv2d(in_shape[0], channels[0], kernel_size=3, padding=1)
        self.act1 = activation()
        self.conv2 = nn.Conv2d(channels[0], channels[1], kernel_size=3, padding=1)
        self.act2 = activation()
        self.pool = nn.MaxPool2d(2)
        pixels = (in_shape[1] // 2) * (in_shape[2] // 2)
        self.linear = nn.Linear(channels[1] * pixels, hidden)
        self.act3 = activation()
        self.output = nn.Linear(hidden, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [examples, classes] of images [examples, channels, height, width]."""
        maps = self.act1(self.conv1(images))
        maps = self.pool(self.act2(self.conv2(maps)))
        values = self.act3(self.linear(maps.flatten(start_dim=1)))
        logits: Tensor = self.output(values)  # without softmax: the loss applies it
        return logits
