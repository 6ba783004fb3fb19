"""A hidden layer's activation function and batch normalisation, for the runs that share them."""

# G runs that share an activation, B examples, O units of a layer

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from actscope.config import Activation
from actscope.engine.activations import make_function
from actscope.engine.layers import cat

# A kernel treats the elements at a tensor's end that do not fill two vector registers one by one,
# with another exp() whose last bits differ. A run's numbers must not depend on its place in the
# stack, so runs share a call only if the layer's width fills registers (32 floats with AVX-512).
WHOLE_VECTORS = 32


class Nonlinearity:
    """The activation function of G runs in a hidden layer, with batch normalisation or without."""

    def __init__(
        self,
        activation: Activation,
        runs: slice,
        width: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.runs = runs
        self.size = runs.stop - runs.start
        self.module = make_function(activation, dtype).to(device)
        self.own = {  # the function's own parameters, like PReLU's slope: one a run
            name: torch.stack([value.detach()] * self.size)
            for name, value in self.module.named_parameters()
            if value.requires_grad
        }
        self.trained = {f"function.{name}": value for name, value in self.own.items()}
        shares_calls = device.type != "cpu" or width % WHOLE_VECTORS == 0
        self.at_once = self.size if shares_calls else 1
        self.running: dict[str, Tensor] = {}
        self.batch_norm = activation.batch_norm
        if self.batch_norm:
            ones = partial(torch.ones, dtype=dtype, device=device)
            zeros = partial(torch.zeros, dtype=dtype, device=device)
            self.trained["norm.weight"] = ones(self.size, 1, width)
            self.trained["norm.bias"] = zeros(self.size, 1, width)
            self.running["norm.running_mean"] = zeros(self.size, width)
            self.running["norm.running_var"] = ones(self.size, width)

    def of_norm(self, name: str, otherwise: Tensor) -> Tensor:
        """A trained tensor of the batch normalisation, [G, O]; `otherwise` if there is none."""
        return self.trained[name].detach().squeeze(1) if self.batch_norm else otherwise

    def normalised(self, sums: Tensor, *, training: bool, frozen: Tensor | None = None) -> Tensor:
        """Batch normalisation of [G, B, O] in each run, with torch.nn.BatchNorm1d's constants."""
        if not self.batch_norm:
            return sums
        # Copies, as the backward pass requires that its inputs are unchanged.
        running = {name: value.clone() for name, value in self.running.items()}
        trained = (self.trained["norm.weight"], self.trained["norm.bias"])
        tensors = (sums, *running.values(), *trained)
        runs = zip(*(_chunks(tensor, self.at_once) for tensor in tensors), strict=True)
        normalised = cat([_batch_norm(*part, training=training) for part in runs])
        for name, value in self.running.items() if training else ():
            new = running[name]
            if frozen is not None:
                new = torch.where(frozen[self.runs].unsqueeze(1), value, new)
            value.copy_(new)
        return normalised

    def function(self, given: Tensor) -> Tensor:
        """The activation function of [G, B, O]."""
        if not self.own:
            return cat([self.module(part) for part in _chunks(given, self.at_once)])
        return torch.cat(
            [
                functional_call(
                    self.module, {name: value[run] for name, value in self.own.items()}, part
                )
                for run, part in enumerate(given.split(1))
            ]
        )


def _batch_norm(
    sums: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, *, training: bool
) -> Tensor:
    rows = sums.transpose(0, 1).flatten(1)  # [B, G * O]: a unit of a run is a channel
    rows = functional.batch_norm(
        rows,
        running_mean=mean.flatten(),
        running_var=variance.flatten(),
        weight=weight.flatten(),
        bias=bias.flatten(),
        training=training,
    )
    return rows.view(len(rows), len(sums), -1).transpose(0, 1)


def _chunks(tensor: Tensor, size: int) -> Sequence[Tensor]:
    # A split costs the backward pass a copy, even a split into one part.
    return [tensor] if len(tensor) <= size else tensor.split(size)
