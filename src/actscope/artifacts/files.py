"""Writes the files of a run."""

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save

from actscope.artifacts import trajectories_svg
from actscope.artifacts.parquet import write_parquet
from actscope.engine.result import RunResult
from actscope.errors import first_line
from actscope.parsing import nested_settings

log = logging.getLogger(__name__)


def write(result: RunResult, folder: Path, *, plotly: bool = False) -> None:
    """Write all artifacts of a run: config.yaml, history.parquet, trajectory.parquet, ...

    A picture that cannot be drawn is left out, with a warning.
    `plotly`: whether to write trajectories.html.
    """
    (folder / "config.yaml").write_text(_as_yaml(nested_settings(result.point)), encoding="utf-8")
    write_parquet(result.history, folder / "history.parquet")
    write_parquet(result.trajectory, folder / "trajectory.parquet")
    write_parquet(result.probe, folder / "probe.parquet")
    write_parquet(result.layers, folder / "layers.parquet")
    write_parquet(result.predictions, folder / "predictions.parquet")
    # Not save_file: it creates a file that only its owner can read.
    (folder / "model.safetensors").write_bytes(save(result.state))
    _draw(_save_picture, result, folder / "trajectories.svg")
    if plotly:
        _draw(_save_page, result, folder / "trajectories.html")


def _as_yaml(settings: dict[str, Any]) -> str:
    dumper = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper
    return yaml.dump(settings, Dumper=dumper, sort_keys=False, allow_unicode=True)


Draw = Callable[[RunResult, Path], None]


def _draw(save: Draw, result: RunResult, path: Path) -> None:
    """Save a picture; if that fails, warn and leave it out, as the run's numbers are still good."""
    try:
        save(result, path)
    except Exception as error:  # noqa: BLE001 - no error here concerns the run's numbers
        path.unlink(missing_ok=True)
        _warn(f"Runs are logged without {path.name}: it cannot be drawn ({first_line(error)}).")


@cache
def _warn(text: str) -> None:
    """Warn once a process, as the next run's picture fails for the same reason."""
    log.warning("%s", text)


def _save_picture(result: RunResult, path: Path) -> None:
    trajectories_svg.save_trajectories(result, path)


def _save_page(result: RunResult, path: Path) -> None:
    from actscope.artifacts import trajectories_html  # importing plotly takes a second

    trajectories_html.save_trajectories(result, path)
