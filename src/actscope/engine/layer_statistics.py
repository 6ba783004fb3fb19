"""How the signal and its gradient pass each layer, measured on some examples of the probe set.

A layer's outputs are those of its activation function, or the logits.

- `mean_square`: of the outputs. He et al. (2015) choose the start so that it keeps its size.
- `variance`: of each unit over the examples, averaged over the units.
- `cosine`: of the outputs for two examples, averaged over all pairs without a zero vector; NaN
  without such a pair (Schoenholz et al., 2017).
- `rank`: participation ratio (tr C)^2 / tr(C^2) of the outputs' covariance C over the examples
  (Gao et al., 2017); 0 if all outputs are equal.
- `gradient`: root mean square of the gradient of each example's own loss by the layer's sums. With
  batch normalisation a sum acts on the losses of all examples; these gradients are added.
- `dead`: share of the units whose slope is zero on the whole probe set, 0 in the output layer.
"""

# R runs of the stack, B examples, O units of a layer, U units of all layers, L layers

import torch
from torch import Tensor

from actscope.engine.layers import Inputs
from actscope.engine.network import Network
from actscope.engine.objective import example_losses
from actscope.engine.recorded import LAYER_STATISTICS, PROBE

RUNS_AT_ONCE = 8  # so that their numbers stay in the caches


def layer_record(network: Network, x: Inputs, y: Tensor, probed: Tensor) -> Tensor:
    """LAYER_STATISTICS of all layers on examples x with classes or targets y, [R, quantity * L].

    Batch normalisation uses the statistics of these examples, as that is the signal in training.
    Its running statistics do not change. `probed`: the network's probe_record.
    """
    frozen = torch.ones(network.runs, dtype=torch.bool, device=network.device)
    passed = network.forward(x, training=True, frozen=frozen)
    gradients = passed.gradients(example_losses(passed.logits, y[None]))
    with torch.no_grad():
        signals = [_signal(*pair) for pair in zip(passed.outputs(), gradients, strict=True)]
        dead = _dead_shares(network, probed)
        return torch.cat([torch.stack(signals, dim=2), dead.unsqueeze(1)], dim=1).flatten(1).float()


def _signal(outputs: Tensor, gradients: Tensor) -> Tensor:
    """A layer's statistics but `dead`, [R, quantity], from outputs and gradients [R, B, O]."""
    some_runs = zip(outputs.split(RUNS_AT_ONCE), gradients.split(RUNS_AT_ONCE), strict=True)
    return torch.cat([_signal_of_some(_exact(h), _exact(g)) for h, g in some_runs])


def _exact(values: Tensor) -> Tensor:
    """In float64 no square overflows, and equal numbers deviate from their mean by exactly 0.

    The layout is always the same, as the order of a sum depends on it.
    """
    return values.double().contiguous()


def _signal_of_some(outputs: Tensor, gradients: Tensor) -> Tensor:
    examples, units = outputs.shape[1:]
    squares = outputs.square().sum(2)  # [R, B]
    deviations = outputs - outputs.sum(1, keepdim=True) / examples
    total, rank = _spread(deviations)
    found = {
        "mean_square": squares.mean(1) / units,
        "variance": total / (examples * units),
        "cosine": _mean_cosine(outputs, squares),
        "rank": rank,
        "gradient": gradients.square().mean((1, 2)).sqrt(),
    }
    return torch.stack([found[name] for name in LAYER_STATISTICS[:-1]], dim=1)


def _spread(deviations: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of squares and participation ratio of deviations from the mean, [R, B, O], each [R]."""
    examples, units = deviations.shape[1:]
    # Both products have the same trace, and the same sum of squares.
    one, other = (deviations.mT, deviations) if units <= examples else (deviations, deviations.mT)
    products = torch.bmm(one, other)
    total = products.diagonal(dim1=1, dim2=2).sum(1)
    rank = total.square() / products.square().sum((1, 2))
    return total, torch.where(total == 0, 0, rank)


def _mean_cosine(outputs: Tensor, squares: Tensor) -> Tensor:
    """Mean cosine of two examples' outputs, [R]; `squares`: of the outputs' lengths, [R, B]."""
    # The squared length of the sum of n unit vectors is n, plus the cosines of all ordered pairs.
    is_zero = squares == 0
    inverse = squares.masked_fill(is_zero, torch.inf).sqrt().reciprocal()
    total = torch.bmm(inverse.unsqueeze(1), outputs).square().sum((1, 2))
    vectors = (~is_zero).sum(1)
    pairs = vectors * (vectors - 1)
    return torch.where(pairs > 0, (total - vectors) / pairs, torch.nan)


def _dead_shares(network: Network, probed: Tensor) -> Tensor:
    """Share of each layer's units whose slope is zero on the whole probe set, [R, L]."""
    zero = probed.unflatten(1, (len(PROBE), -1))[:, PROBE.index("zero")]  # [R, U]
    parts = zero.split(network.widths, 1)
    return torch.stack([(part == 1).double().mean(1) for part in parts], dim=1)
