"""The summary of the untrained network, from rows made by hand."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from actscope.artifacts.layers_at_start import BornDead, start_metrics
from actscope.artifacts.metrics import Logged, run_metrics
from actscope.artifacts.unit_fates import unit_fates
from actscope.engine.recorded import LAYER_STATISTICS
from actscope.engine.result import RunResult
from actscope.engine.train import train_stack
from tests.support.making import BN_RELU, RELU, make_data, make_point

HIDDEN = (20, 10, 10)


def layers_of(**columns: list[float]) -> pd.DataFrame:
    """Step 0 with these values of its layers, and a later step with others."""
    given = {name: [0.5] * 4 for name in LAYER_STATISTICS} | columns
    start = pd.DataFrame(given, dtype=np.float32)
    place = pd.DataFrame({"step": [0] * 4, "layer": [1, 2, 3, 4]})
    first = pd.concat([place, start], axis=1)
    return pd.concat([first, first.assign(step=50, dead=1.0, mean_square=7.0)])


def test_the_summary_is_of_hidden_layers_at_step_0():
    layers = layers_of(
        mean_square=[2.0, 1.0, 0.5, 9.0],
        gradient=[0.08, 0.03, 0.02, 9.0],
        cosine=[0.1, 0.2, 0.3, 0.9],
        rank=[5.0, 4.0, 3.0, 9.0],
        dead=[0.1, 1.0, 0.2, 0.0],
    )
    assert start_metrics(layers, HIDDEN) == {
        "start/dead_units": pytest.approx(14 / 40),
        "start/dead_layers": 1,
        "start/signal_a_layer": pytest.approx(0.5),
        "start/gradient_a_layer": pytest.approx(2),
        "start/cosine": pytest.approx(0.3),
        "start/rank": 3,
    }


def test_what_is_not_finite_is_no_metric():
    layers = layers_of(
        mean_square=[0.0, 0.0, 0.0, 0.0],
        gradient=[1.0, 1.0, 0.0, 9.0],
        cosine=[0.1, 0.2, math.nan, 0.9],
        rank=[5.0, 4.0, math.inf, 9.0],
    )
    assert start_metrics(layers, HIDDEN).keys() == {"start/dead_units", "start/dead_layers"}


def test_one_hidden_layer_has_no_factor_a_layer():
    (result,) = train_stack([make_point()], make_data())
    names = start_metrics(result.layers, (16,)).keys()
    assert names == {f"start/{name}" for name in ("dead_units", "dead_layers", "cosine", "rank")}


def test_a_run_that_left_nothing_has_no_summary():
    (result,) = train_stack([make_point(init="normal", init_std=1e300)], make_data())
    assert start_metrics(result.layers, (16,)) == {}


def test_a_network_is_born_dead_with_a_layer():
    assert BornDead.of(layers_of(dead=[0.1, 1.0, 0.2, 0.0]), HIDDEN).network
    alive = BornDead.of(layers_of(dead=[0.1, 0.9, 0.2, 0.0]), HIDDEN)
    assert not alive.network
    assert alive.layers == 0


def metrics_of(result: RunResult) -> Iterator[Logged]:
    return run_metrics(result, unit_fates(result.trajectory, result.probe))


def test_a_deep_run_has_few_metrics():
    """33 layers of 12 units; the numbers of series and of single values do not grow with them."""
    point = make_point(BN_RELU, hidden=(12,) * 32, epochs=1)
    (result,) = train_stack([point], make_data())
    names = {name for name, _, _ in metrics_of(result)}
    units = {name for name in names if "/unit" in name}
    assert {name.split("/")[0] for name in units} == {"layer1", "layer33"}
    assert len(units) == 2 * (10 + 5)
    assert {name for name in names if name.startswith("dead/")} == {
        "dead/layer1", "dead/layer32", "dead/layer33", "dead/hidden",
    }  # fmt: skip
    assert {f"start/{name}" for name in ("dead_units", "signal_a_layer", "rank")} <= names


def test_a_shallow_run_has_the_shares_of_every_layer():
    (result,) = train_stack([make_point(RELU, hidden=(4, 4, 4), epochs=1)], make_data())
    dead = {name for name, _, _ in metrics_of(result) if name.startswith("dead/")}
    assert dead == {*(f"dead/layer{number}" for number in (1, 2, 3, 4)), "dead/hidden"}
