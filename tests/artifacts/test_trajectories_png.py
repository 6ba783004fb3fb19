"""A run's picture is its own: nothing of those that the process drew before gets into it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.text import Text
from PIL import Image

from actscope.artifacts import trajectories_png
from actscope.engine.data import load_data
from actscope.engine.result import RunResult
from actscope.engine.train import train_stack
from tests.support.making import make_point


def test_a_picture_does_not_depend_on_those_drawn_before(tmp_path: Path) -> None:
    points = [make_point(hidden=(3,), epochs=3, every=3, lr=lr) for lr in (0.01, 1e30)]
    learned, diverged = train_stack(points, load_data(points[0].data))
    assert diverged.diverged_at is not None

    def draw(result: RunResult) -> bytes:
        trajectories_png.save_trajectories(result, tmp_path / "trajectories.png")
        return (tmp_path / "trajectories.png").read_bytes()

    def draw_first(result: RunResult) -> bytes:
        trajectories_png._panels.cache_clear()
        return draw(result)

    alone = [draw_first(result) for result in (learned, diverged)]
    assert alone[0] != alone[1]
    assert [draw(result) for result in (learned, diverged, learned)] == [*alone, alone[0]]
    _, axes = trajectories_png._panels()
    assert all(ax.get_xlim()[1] > learned.trajectory["step"].max() for ax in axes)


def test_few_colours_show_what_all_would(tmp_path: Path) -> None:
    point = make_point(hidden=(3,), epochs=3, every=3)
    (result,) = train_stack([point], load_data(point.data))
    trajectories_png.save_trajectories(result, tmp_path / "trajectories.png")

    canvas, _ = trajectories_png._panels()
    drawn = np.asarray(canvas.buffer_rgba())[:, :, :3].astype(int)
    kept = np.asarray(Image.open(tmp_path / "trajectories.png").convert("RGB")).astype(int)
    off = np.abs(kept - drawn)
    assert off.mean() < 2
    assert off.max() < 64


def test_a_power_of_ten_is_not_written_over_a_title(tmp_path: Path) -> None:
    point = make_point(hidden=(3,), epochs=3, every=3)
    (result,) = train_stack([point], load_data(point.data))
    small = result.trajectory.assign(bias=1e-9 * result.trajectory["bias"])
    trajectories_png.save_trajectories(
        replace(result, trajectory=small), tmp_path / "trajectories.png"
    )

    _, axes = trajectories_png._panels()
    powers = [ax.yaxis.get_offset_text() for ax in axes]
    assert [power.get_text() != "" for power in powers] == [False, False, True, False, True]
    for ax, power in zip(axes, powers, strict=True):
        titles = [
            text
            for text in ax.get_children()
            if isinstance(text, Text) and text.get_text().startswith("(")
        ]
        assert len(titles) == 1
        if power.get_text():
            assert not titles[0].get_window_extent().overlaps(power.get_window_extent())
