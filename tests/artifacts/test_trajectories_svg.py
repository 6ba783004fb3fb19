"""A run's picture: its lines are where its values are, and it is well-formed whatever the run."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from actscope.artifacts import trajectories_svg as svg
from actscope.engine.data import load_data
from actscope.engine.result import RunResult
from actscope.engine.train import train_stack
from tests.support.making import make_point

NAME = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def results() -> list[RunResult]:
    """A run that learned, and one that diverged at once."""
    points = [make_point(hidden=(12,), epochs=3, every=3, lr=lr) for lr in (0.01, 1e300)]
    return train_stack(points, load_data(points[0].data))


def panels_of(result: RunResult) -> list[ET.Element]:
    return ET.fromstring(svg.draw(result)).findall(f"{NAME}g")  # noqa: S314 - our own text


def lines_in(panel: ET.Element) -> list[ET.Element]:
    return [path for path in panel.findall(f"{NAME}path") if "stroke" in path.attrib]


def points_of(line: ET.Element) -> np.ndarray:
    """[T, 2] coordinates of a line, in tenths of a pixel."""
    numbers = np.array([int(n) for n in re.findall(r"-?\d+", line.attrib["d"])]).reshape(-1, 2)
    return numbers.cumsum(axis=0)


def test_a_panel_has_a_line_for_each_of_at_most_ten_units(results: list[RunResult]) -> None:
    counts = [len(lines_in(panel)) for panel in panels_of(results[0])]
    assert counts == [1, 10, 10, 10, 10]
    names = [line.findtext(f"{NAME}title") for line in lines_in(panels_of(results[0])[3])]
    assert names == [f"unit {number}" for number in range(10)]


def test_a_line_is_where_its_values_are(results: list[RunResult]) -> None:
    trajectory = results[0].trajectory
    biases = trajectory[trajectory["layer"] == 1].pivot_table(
        index="step", columns="unit", values="bias"
    )
    shown = biases.iloc[:, :10]
    low, high = shown.min(axis=None), shown.max(axis=None)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    line = points_of(lines_in(panels_of(results[0])[4])[7])
    steps = shown.index.to_numpy()
    np.testing.assert_allclose(line[:, 0], svg.PANEL_WIDTH * steps / steps[-1], atol=0.51)
    shares = (shown[7].to_numpy() - low) / (high - low)
    np.testing.assert_allclose(line[:, 1], svg.PANEL_HEIGHT * (1 - shares), atol=0.51)


def test_a_run_that_diverged_at_once_has_empty_panels(results: list[RunResult]) -> None:
    empty = replace(
        results[1], history=results[1].history[:0], trajectory=results[1].trajectory[:0]
    )
    for panel in panels_of(empty):
        assert lines_in(panel) == []
        assert "nothing recorded" in [text.text for text in panel.findall(f"{NAME}text")]


def test_a_single_value_is_a_dot(results: list[RunResult]) -> None:
    history, trajectory = results[0].history, results[0].trajectory
    one = replace(
        results[0],
        history=history[history["step"] == 3],
        trajectory=trajectory[trajectory["step"] == 3],
    )
    for panel in panels_of(one):
        assert {line.attrib.get("class") for line in lines_in(panel)} == {"dot"}


def test_a_run_of_which_only_the_start_was_recorded_has_a_dot_a_unit(
    results: list[RunResult],
) -> None:
    trajectory = results[0].trajectory
    start = replace(
        results[0],
        history=results[0].history[:0],
        trajectory=trajectory[trajectory["step"] == 0],
    )
    first, *others = panels_of(start)
    assert lines_in(first) == []
    for panel in others:
        assert {line.attrib.get("class") for line in lines_in(panel)} == {"dot"}
        assert {line.attrib["d"].split(",")[0] for line in lines_in(panel)} == {"M0"}


def test_the_same_run_has_the_same_picture(results: list[RunResult], tmp_path: Path) -> None:
    for name in ("first", "second"):
        svg.save_trajectories(results[0], tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ((-0.013, 0.041), ["0.00", "0.02", "0.04"]),
        ((0, 102), ["0", "50", "100"]),
        ((0.61, 0.94), ["0.7", "0.8", "0.9"]),
        ((0, 45000), ["0", "20000", "40000"]),
        ((-3e-9, 9e-9), ["0", "5e-09"]),
        ((-8e30, 6e30), ["-5e+30", "0", "5e+30"]),
    ],
)
def test_ticks_are_round_values(limits: tuple[float, float], labels: list[str]) -> None:
    found = svg.ticks(*limits)
    assert [label for _, label in found] == labels
    assert all(limits[0] <= value <= limits[1] for value, _ in found)
