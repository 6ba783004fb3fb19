"""Whether two results of a point hold the same numbers."""

import numpy as np
import pandas as pd
import torch

from actscope.engine.result import RunResult

# With MKL_CBWR=AUTO, MKL promises the same bits wherever a matrix lies; other libraries may not
# (https://github.com/pytorch/pytorch/issues/60234). There, only the first steps can be compared.
BITS_ARE_KEPT = torch.backends.mkl.is_available()
FIRST_STEPS = 10


def assert_same_numbers(result: RunResult, expected: RunResult) -> None:
    """The same to the last bit, where the platform gives bits."""
    assert result.point == expected.point
    if not BITS_ARE_KEPT:
        _assert_same_but_for_rounding(result.history, expected.history)
        _assert_same_but_for_rounding(result.trajectory, expected.trajectory)
        return
    assert (result.outcome, result.diverged_at) == (expected.outcome, expected.diverged_at)
    pd.testing.assert_frame_equal(result.history, expected.history, check_exact=True)
    pd.testing.assert_frame_equal(result.trajectory, expected.trajectory, check_exact=True)
    pd.testing.assert_frame_equal(result.layers, expected.layers, check_exact=True)
    assert result.state.keys() == expected.state.keys()
    for name, value in result.state.items():
        np.testing.assert_array_equal(value, expected.state[name], err_msg=name)


def _assert_same_but_for_rounding(frame: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        frame[frame["step"] <= FIRST_STEPS],
        expected[expected["step"] <= FIRST_STEPS],
        rtol=1e-4,
        atol=1e-6,
    )
