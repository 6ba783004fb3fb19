"""The engine on a GPU: against the CPU, and against itself. Skipped where there is none."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from actscope.config import Activation, Point
from actscope.engine.data import load_data
from actscope.engine.result import Outcome, RunResult
from actscope.engine.train import Training, train_stack
from actscope.sweep.checkpoint import Checkpoint
from actscope.sweep.stacks import bytes_a_run
from tests.support.making import BN_RELU, ELU, PRELU, RELU, SIGMOID, TANH, make_data, make_point
from tests.support.sameness import assert_same_numbers

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

CUDA = torch.device("cuda")
DATA = make_data()  # 95 examples: at 20 a minibatch, an epoch is four of 20 and one of 15
FUNCTIONS = [
    *(RELU, BN_RELU, ELU, PRELU, SIGMOID, TANH),
    *(
        Activation(name.lower(), f"torch.nn.{name}")
        for name in ("CELU", "GELU", "Hardswish", "LeakyReLU", "Mish", "SELU", "SiLU", "Softplus")
    ),
]


def close(frame: pd.DataFrame, expected: pd.DataFrame, **tolerance: float) -> None:
    pd.testing.assert_frame_equal(frame, expected, check_exact=False, **tolerance)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("every", [1, 3, "epoch"])
@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.01)])
def test_in_float64_it_computes_what_the_cpu_does(
    reduction: str, every: int | str, momentum: float, decay: float
) -> None:
    points = [
        make_point(
            function,
            lr=0.002,
            seed=seed,
            hidden=(12, 8),
            epochs=10,
            reduction=reduction,
            momentum=momentum,
            weight_decay=decay,
            every=every,
        )
        for function in FUNCTIONS
        for seed in (0, 1)
    ]
    given = {"data": DATA, "dtype": torch.float64}
    on_gpu, on_cpu = train_stack(points, **given, device=CUDA), train_stack(points, **given)
    for result, expected in zip(on_gpu, on_cpu, strict=True):
        assert (result.outcome, result.diverged_at) == (expected.outcome, expected.diverged_at)
        # torch's CUDA kernel of Hardswish has a sixth in float32, whatever it computes in.
        is_rough = result.point.activation.name == "hardswish"
        tolerance = {"rtol": 1e-5, "atol": 1e-6} if is_rough else {"rtol": 1e-9, "atol": 1e-12}
        for name, value in expected.state.items():
            np.testing.assert_allclose(result.state[name], value, **tolerance)
        close(result.history, expected.history, rtol=1e-6)
        close(result.trajectory, expected.trajectory, rtol=1e-4, atol=1e-6)
        close(result.probe, expected.probe, rtol=1e-6)


def digits_points(epochs: int = 5) -> list[Point]:
    return [
        make_point(f, lr=lr, seed=seed, hidden=(64,), epochs=epochs, batch_size=100, every=5)
        for f in FUNCTIONS
        for lr in (0.001, 0.01)
        for seed in (0, 1, 2)
    ]


def test_in_float32_it_does_what_the_cpu_does_but_for_rounding() -> None:
    """docs/performance.md states these tolerances. Failing runs are chaotic: no two ends agree."""
    points = digits_points()
    data = load_data(points[0].data)
    on_gpu, on_cpu = train_stack(points, data, device=CUDA), train_stack(points, data)
    for result, expected in zip(on_gpu, on_cpu, strict=True):
        first = expected.trajectory["step"] <= 10
        close(result.trajectory[first], expected.trajectory[first], rtol=1e-3, atol=1e-4)
        if expected.test_final > 0.9:
            assert result.test_final == pytest.approx(expected.test_final, abs=0.02)
    assert sum(result.test_final > 0.9 for result in on_cpu) > len(points) / 4


def assert_same_bits(results: Sequence[RunResult], expected: Sequence[RunResult]) -> None:
    for result, other in zip(results, expected, strict=True):
        assert_same_numbers(result, other)


def test_the_same_stack_has_the_same_bits_again() -> None:
    points = digits_points()
    data = load_data(points[0].data)
    torch.use_deterministic_algorithms(True)  # which raises where torch knows of no such way
    try:
        first, again = (train_stack(points, data, device=CUDA) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert_same_bits(first, again)


def test_a_captured_step_has_the_bits_of_an_ordinary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    points = digits_points(epochs=2)
    data = load_data(points[0].data)
    captured = train_stack(points, data, device=CUDA)
    monkeypatch.setattr("actscope.engine.train.Replayed", lambda step: step)
    assert_same_bits(train_stack(points, data, device=CUDA), captured)


def test_it_diverges_where_the_cpu_does() -> None:
    points = [
        make_point(f, lr=lr, hidden=(32,), epochs=4, seed=seed)
        for f in (RELU, ELU, BN_RELU, PRELU, TANH)
        for lr in (1e-3, 1.0, 1e3, 1e20, 1e38, 1e300)
        for seed in (0, 1)
    ]
    given = {"data": DATA, "dtype": torch.float64}
    on_gpu, on_cpu = train_stack(points, **given, device=CUDA), train_stack(points, **given)
    assert 5 < sum(result.outcome is Outcome.DIVERGED for result in on_cpu) < len(points)
    for result, expected in zip(on_gpu, on_cpu, strict=True):
        assert result.diverged_at == expected.diverged_at, result.point
        assert result.outcome is expected.outcome
        assert np.isfinite(result.trajectory).all(axis=None)


def test_divergence_leaves_the_neighbours_alone() -> None:
    calm = [make_point(f, lr=0.01, hidden=(32,), epochs=4) for f in (RELU, BN_RELU, PRELU)]
    wild = [make_point(f, lr=1e38, hidden=(32,), epochs=4) for f in (RELU, BN_RELU)]
    beside = train_stack([wild[0], *calm, wild[1]], DATA, device=CUDA)
    alone = train_stack(
        [replace(wild[0], lr=0.01), *calm, replace(wild[1], lr=0.01)], DATA, device=CUDA
    )
    assert_same_bits(beside[1:4], alone[1:4])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_it_goes_on_from_a_checkpoint_to_the_same_bits(tmp_path: Path, momentum: float) -> None:
    points = [make_point(f, epochs=6, momentum=momentum, seed=s) for f in FUNCTIONS for s in (0, 1)]
    whole = train_stack(points, DATA, device=CUDA)
    checkpoint = Checkpoint(tmp_path, [str(point) for point in points], seconds=0)

    def stop(step: int) -> None:
        if step == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_stack(points, DATA, device=CUDA, on_step=stop, checkpoint=checkpoint)
    begun: list[int] = []
    again = train_stack(points, DATA, device=CUDA, on_step=begun.append, checkpoint=checkpoint)
    assert begun[0] > 10
    assert_same_bits(again, whole)


def test_a_run_takes_no_more_memory_than_is_counted_on() -> None:
    points = [
        make_point(f, lr=0.001, seed=seed, hidden=(64,), epochs=1, batch_size=100, every=10)
        for f in FUNCTIONS
        for seed in range(40)
    ]
    data = make_data(train=2000, test=1000, features=784, classes=10)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    train_stack(points, data, device=CUDA)
    peak = torch.cuda.max_memory_allocated() - before
    assert peak < len(points) * bytes_a_run(points[0], data)


def test_nothing_of_a_step_waits_for_the_gpu() -> None:
    points = digits_points(epochs=1)
    training = Training(points, load_data(points[0].data), torch.float32, CUDA)
    steps = training.steps()
    for _ in range(12):  # of 15: the first are captured, the last is smaller
        next(steps)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # "a prototype feature"
        torch.cuda.set_sync_debug_mode("error")
        try:
            next(steps)
            next(steps)
        finally:
            torch.cuda.set_sync_debug_mode("default")
