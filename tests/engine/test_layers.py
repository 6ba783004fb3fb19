"""The products of a layer, whoever shares what it is given."""

import pytest
import torch

from actscope.engine.layers import Inputs, Share, shared_by_neighbours

RUNS, EXAMPLES, FAN_IN, FAN_OUT = 5, 4, 7, 3
OWNERS = [[0] * RUNS, [0, 0, 1, 1, 0], [2, 0, 1, 3, 4]]


def drawn(*shape: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(len(shape))
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


@pytest.fixture(params=OWNERS, ids=str)
def owners(request: pytest.FixtureRequest) -> list[int]:
    return request.param


@pytest.fixture
def x(owners: list[int]) -> torch.Tensor:
    return drawn(max(owners) + 1, EXAMPLES, FAN_IN)


def test_products_are_those_of_each_run_with_its_own_input(
    owners: list[int], x: torch.Tensor
) -> None:
    inputs, own = Inputs(x, shared_by_neighbours(owners)), x[owners]
    weights, biases = drawn(RUNS, FAN_IN, FAN_OUT), drawn(RUNS, 1, FAN_OUT)
    deltas = drawn(RUNS, EXAMPLES, FAN_OUT)
    gradient = torch.einsum("rbi,rbo->rio", own, deltas)
    sums = torch.einsum("rbi,rio->rbo", own, weights) + biases

    torch.testing.assert_close(inputs.sums(weights, biases), sums)
    torch.testing.assert_close(inputs.gradient(deltas), gradient)
    changed = weights.clone()
    inputs.subtract_gradient(changed, deltas)
    torch.testing.assert_close(changed, weights - gradient)
    assert torch.equal(inputs.of_runs(x), own)


def test_what_each_or_all_have_is_taken_as_a_whole() -> None:
    x = drawn(RUNS, EXAMPLES, FAN_IN)
    assert torch.equal(Inputs.of_each(x).of_runs(x), x)
    for_all = Inputs.of_all(x[0], RUNS)
    assert torch.equal(for_all.of_runs(for_all.x), x[:1].expand(RUNS, -1, -1))


def test_neighbours_share_and_others_do_not() -> None:
    assert shared_by_neighbours([1, 1, 0, 1]) == [
        Share(slice(0, 2), slice(1, 2)),
        Share(slice(2, 3), slice(0, 1)),
        Share(slice(3, 4), slice(1, 2)),
    ]
