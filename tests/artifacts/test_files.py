"""Files of a run: small, and no number of them lost."""

from pathlib import Path

import numpy as np
import pandas as pd

from actscope.artifacts.parquet import write_parquet
from actscope.engine.recorded import TRAJECTORY
from actscope.engine.trajectory import unit_frame


def test_a_table_is_smaller_than_by_pandas_own_way_and_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    steps = range(500)
    drifting = {
        name: rng.normal(0, 1e-3, (len(steps), 12)).cumsum(0).astype(np.float32)
        for name in TRAJECTORY
    }
    drifting["bias"][-1, :3] = np.nan, np.inf, -0.0
    frame = unit_frame(steps, [8, 4], drifting)
    write_parquet(frame, tmp_path / "ours.parquet")
    frame.to_parquet(tmp_path / "pandas.parquet", index=False, compression="zstd")

    read = pd.read_parquet(tmp_path / "ours.parquet")
    pd.testing.assert_frame_equal(read, frame, check_exact=True)
    assert np.signbit(read["bias"].to_numpy()).tolist() == np.signbit(frame["bias"]).tolist()
    ours, pandas = ((tmp_path / f"{name}.parquet").stat().st_size for name in ("ours", "pandas"))
    assert ours < 0.8 * pandas
