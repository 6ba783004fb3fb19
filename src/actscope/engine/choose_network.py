"""The network and the optimiser of a stack."""

from collections.abc import Sequence

import torch

from actscope.config import Point
from actscope.engine.data import Data
from actscope.engine.model import StackedMLP
from actscope.engine.module_network import ModuleNetwork
from actscope.engine.module_optimiser import ModuleOptimiser
from actscope.engine.network import Network, Optimiser
from actscope.engine.schedule import total_steps
from actscope.engine.sgd import SGD
from actscope.network_settings import OwnNetwork


def network_and_optimiser(
    points: Sequence[Point], data: Data, dtype: torch.dtype, device: torch.device
) -> tuple[Network, Optimiser]:
    """A stack of the built-in network for all points, or a user's own network for one point."""
    model = points[0].model
    if isinstance(model, OwnNetwork):
        (point,) = points
        network = ModuleNetwork(model, point.activation, point.seed, data, dtype, device)
        return network, ModuleOptimiser(network, point, total_steps(point, data))
    stack = StackedMLP(points, data.features, data.classes, dtype, device)
    return stack, SGD(stack, points, dtype)
