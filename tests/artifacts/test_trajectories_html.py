"""The trajectories of a run as a page."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actscope.artifacts import trajectories_html
from actscope.artifacts.panels import COLOURS, UNITS_SHOWN, panels_of
from actscope.engine.data import load_data
from actscope.engine.result import RunResult
from actscope.engine.train import train_stack
from actscope.engine.trajectory import unit_frame
from actscope.metric import ACCURACY
from tests.support.making import make_point

POINT = make_point(hidden=(12, 11), epochs=2, every=10)


@pytest.fixture(scope="module")
def result() -> RunResult:
    return train_stack([POINT], load_data(POINT.data))[0]


def lines_of(figure: Any, panel: int) -> list[Any]:
    """The lines of a panel, counted from 1."""
    axis = "y" if panel == 1 else f"y{panel}"
    return [line for line in figure.data if line.yaxis == axis]


def test_the_panels_are_the_articles_on_one_axis_of_steps(result: RunResult) -> None:
    figure = trajectories_html.draw(result)
    titles = [panel.title for panel in panels_of(ACCURACY)]
    assert [note.text for note in figure.layout.annotations] == titles
    axes = [figure.layout[f"xaxis{n}" if n > 1 else "xaxis"] for n in range(1, 6)]
    assert [axis.matches for axis in axes] == ["x5", "x5", "x5", "x5", None]
    assert figure.layout.title.text == f"{POINT}: {result.outcome}"


@pytest.mark.parametrize(
    ("panel", "layer", "quantity", "units"),
    [(2, 3, "weight_mean", 10), (3, 3, "bias", 10), (4, 1, "weight_mean", 10), (5, 1, "bias", 10)],
)
def test_a_line_is_a_unit_and_says_which(
    result: RunResult, panel: int, layer: int, quantity: str, units: int
) -> None:
    lines = lines_of(trajectories_html.draw(result), panel)
    assert [line.name for line in lines] == [f"unit {unit}" for unit in range(units)]
    assert all("%{fullData.name}" in line.hovertemplate for line in lines)
    assert [line.line.color for line in lines] == COLOURS * 2
    assert [line.line.dash for line in lines] == ["solid"] * 5 + ["dash"] * 5
    rows = result.trajectory.query(f"layer == {layer} and unit == 7")
    np.testing.assert_array_equal(lines[7].x, rows["step"])
    np.testing.assert_array_equal(lines[7].y, rows[quantity])


def test_accuracy_is_of_the_training_in_per_cent(result: RunResult) -> None:
    (line,) = lines_of(trajectories_html.draw(result), 1)
    train = result.history.query("split == 'train'")
    np.testing.assert_array_equal(line.x, train["step"])
    np.testing.assert_allclose(line.y, 100 * train["accuracy"])


def test_more_units_and_steps_than_an_eye_can_tell_apart_are_left_out(result: RunResult) -> None:
    units = UNITS_SHOWN + 2
    values = np.zeros((5000, units), np.float32)
    many = unit_frame(range(5000), [units], {"weight_mean": values, "bias": values})
    lines = lines_of(trajectories_html.draw(replace(result, trajectory=many)), 4)
    assert len(lines) == UNITS_SHOWN
    assert lines[0].x.tolist() == list(range(0, 5000, 10))


def test_one_step_is_a_dot_and_none_is_said(result: RunResult) -> None:
    history, trajectory = result.history, result.trajectory
    once = trajectories_html.draw(
        replace(result, history=history[:1], trajectory=trajectory[trajectory["step"] == 10])
    )
    assert {line.mode for line in once.data} == {"markers"}
    never = trajectories_html.draw(replace(result, history=history[:0], trajectory=trajectory[:0]))
    assert len(never.data) == 0
    said = [note.text for note in never.layout.annotations]
    assert said.count("nothing recorded") == 5


def test_the_same_run_gives_the_same_bytes(result: RunResult, tmp_path: Path) -> None:
    hashes = set()
    for name in ("once.html", "again.html"):
        trajectories_html.save_trajectories(result, tmp_path / name)
        hashes.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_the_page_brings_its_own_plotly(result: RunResult, tmp_path: Path) -> None:
    trajectories_html.save_trajectories(result, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert len(text) > 3_000_000
    assert re.findall(r"<script[^>]* src=|<link\b[^>]* href=", text) == []
    assert 'id="trajectories"' in text
