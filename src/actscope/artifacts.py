"""The files that a run leaves behind."""

from pathlib import Path

import pandas as pd
from omegaconf import OmegaConf
from safetensors.torch import save

from actscope.config import nested_settings
from actscope.train import RunResult


def write(result: RunResult, folder: Path, *, plotly: bool = False) -> None:
    """Write all artifacts of a run: config.yaml, history.parquet, trajectory.parquet, ...

    `plotly`: whether trajectories.html is among them.
    """
    OmegaConf.save(OmegaConf.create(nested_settings(result.point)), folder / "config.yaml")
    write_parquet(result.history, folder / "history.parquet")
    write_parquet(result.trajectory, folder / "trajectory.parquet")
    write_parquet(result.probe, folder / "probe.parquet")
    # Not save_file: it makes a file that only its owner may read.
    (folder / "model.safetensors").write_bytes(save(result.state))
    # Not before they are needed: to import matplotlib or plotly takes a second.
    from actscope import picture

    picture.save_trajectories(result, folder / "trajectories.png")
    if plotly:
        from actscope import interactive

        interactive.save_trajectories(result, folder / "trajectories.html")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, compression="zstd", index=False)
