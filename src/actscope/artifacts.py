"""The files that a run leaves behind."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
from omegaconf import OmegaConf
from pyarrow import parquet
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
    table = pa.Table.from_pandas(frame, preserve_index=False)
    parquet.write_table(table, path, **parquet_layout(table.schema))


def parquet_layout(schema: pa.Schema) -> dict[str, Any]:
    """How a run's table is laid out in a Parquet file, in the words of pyarrow's writers.

    By dictionary, which is their default, floats take twice the time and half again the space, as
    hardly any of them stands there twice.
    """
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in schema.names if name not in floats],
        "column_encoding": dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
    }
