"""Which settings make variants, and their words."""

from collections.abc import Sequence

import pytest

from actscope.analysis.varying import variant_text, varying_settings
from actscope.sweep.grid_variants import varying_values


def texts(networks: Sequence[Sequence[int]]) -> list[str]:
    runs = [{"activation": "relu", "model.hidden": str(list(network))} for network in networks]
    varying = varying_settings(runs)
    return [variant_text(run, varying) for run in runs]


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (([64], [128]), ["model.hidden=[64]", "model.hidden=[128]"]),
        (([64], [64, 64]), ["model.depth=1", "model.depth=2"]),
        (
            ([8, 8], [4, 4, 4]),
            ["model.depth=2 model.width=8", "model.depth=3 model.width=4"],
        ),
        (([64], [64, 32]), ["model.hidden=[64]", "model.hidden=[64,32]"]),
        (([64, 64], [64, 64]), ["", ""]),
    ],
)
def test_networks_of_different_depths_are_named_by_depth_if_their_layers_are_equal(
    networks: Sequence[Sequence[int]], words: list[str]
) -> None:
    assert texts(networks) == words


def test_a_grid_counts_its_depths() -> None:
    settings = [{"activation": "relu", "model.hidden": [4] * depth} for depth in (1, 2, 2, 3)]
    assert varying_values(settings) == {"model.depth": 3}
