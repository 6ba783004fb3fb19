"""A small transformer that classifies sequences of tokens."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

Factory = Callable[[], nn.Module]

# B sequences, T tokens, W width, H heads


class Transformer(nn.Module):
    """Blocks of attention and of two linear layers; the last token's values give the logits.

    Normalisation comes before each part (Xiong et al., 2020, arXiv:2002.04745). It takes whole
    numbers from 0 to `tokens` - 1, of the shape [B, T].

    Example:
        >>> Transformer(nn.ReLU, classes=7, in_shape=(10,))(torch.zeros(2, 10, dtype=int)).shape
        torch.Size([2, 7])

    """

    def __init__(
        self,
        activation: Factory,
        classes: int,
        in_shape: tuple[int],
        tokens: int = 16,
        width: int = 32,
        heads: int = 4,
        hidden: int = 64,
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.position = nn.Parameter(0.02 * torch.randn(in_shape[0], width))
        self.blocks = nn.Sequential(
            *(TransformerBlock(activation, width, heads, hidden) for _ in range(blocks))
        )
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        values = self.blocks(self.embedding(tokens) + self.position)
        logits: Tensor = self.output(self.norm(values[:, -1]))
        return logits


class TransformerBlock(nn.Module):
    """Attention of each token to all, then two linear layers, each added to its input [B, T, W]."""

    def __init__(self, activation: Factory, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)  # queries, keys and values
        self.mixed = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.act = activation()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, values: Tensor) -> Tensor:
        values = values + self._attend(self.norm1(values))
        changed: Tensor = values + self.fc2(self.act(self.fc1(self.norm2(values))))
        return changed

    def _attend(self, values: Tensor) -> Tensor:
        by_head = self.attention(values).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(*by_head)  # [B, H, T, W / H]
        attended: Tensor = self.mixed(seen.transpose(1, 2).flatten(2))
        return attended
