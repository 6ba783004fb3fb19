import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from actscope import tracking
from actscope.analysis import frames
from actscope.report.cli import main
from actscope.report.explorer.series import ACTIVE_LEVELS, LINE_LEVELS, run_series
from actscope.report.film import film, scenes
from actscope.report.film.panels import grid_shape, weight_limits
from actscope.report.film.scenes import FilmedRun
from tests.report.test_report import contents, settings
from tests.report.test_series import NOT_JUDGED, line_of, made_history, made_trajectory, summed
from tests.support.studies import Lab, Refusal


def filmed(history: pd.DataFrame, trajectory: pd.DataFrame, outcome: str = "failed") -> FilmedRun:
    return FilmedRun.of(0.01, outcome, history, trajectory, layer=1)


def dying(steps: list[int]) -> pd.DataFrame:
    """Units 0 and 1 of layer 1. Unit 1 passes no gradient from the second record on."""
    trajectory = made_trajectory(steps, (2, 10))
    is_gone = (trajectory["layer"] == 1) & (trajectory["unit"] == 1) & (trajectory["step"] > 0)
    return trajectory.assign(active=np.where(is_gone, 0.0, 0.5))


@pytest.mark.parametrize("frame", [0, 10, -1])
def test_a_frame_has_the_numbers_that_the_explorer_has(frame: int) -> None:
    steps = list(range(301))
    history, trajectory = made_history(steps[1:]), made_trajectory(steps, (8, 10))
    carried = run_series(history, trajectory, NOT_JUDGED)
    step = int(summed(carried["steps"])[frame])
    run = filmed(history, trajectory)
    scene, layer = run.at(step), carried["layers"]["1"]
    assert scene.step == step
    assert scene.active == pytest.approx(
        line_of(layer, "active")[:, frame], abs=0.51 / ACTIVE_LEVELS
    )
    weights = line_of(layer, "weight_mean")
    level = np.ptp(weights) / LINE_LEVELS
    assert run.weight_mean[run.place(step)] == pytest.approx(weights[:, frame], abs=0.51 * level)
    accuracy = carried["metric"]["train"]
    known = dict(zip(summed(accuracy["steps"]), summed(accuracy["levels"]) / 1000, strict=True))
    shown = dict(zip(scene.train.steps, scene.train.values, strict=True))
    common = [at for at in known if at <= step]
    assert [shown[at] for at in common] == pytest.approx([known[at] for at in common], abs=0.00051)
    assert max(shown, default=0) == step


def test_a_unit_is_gone_when_it_passes_no_gradient_on_the_whole_minibatch() -> None:
    run = filmed(made_history([1, 2]), dying([0, 1, 2]))
    assert [run.at(step).gone for step in (0, 1, 2)] == [0, 1, 1]


def test_a_run_that_ended_stays_at_its_last_record() -> None:
    run = filmed(made_history([1, 2]), dying([0, 1, 2]), "diverged")
    assert run.at(100).step == 2
    assert len(run.at(100).train.steps) == 2


def test_the_early_steps_have_most_of_the_time() -> None:
    shown = scenes.frames(np.arange(601))
    steps = [frame.step for frame in shown]
    assert steps == sorted(set(steps))
    assert steps[:6] == [0, 1, 2, 3, 4, 5]
    assert steps[-1] == 600
    assert sum(hold for step, hold in shown if step <= 100) > 0.6 * 10_000
    assert shown[-1].milliseconds >= 2000
    assert 10_000 <= sum(frame.milliseconds for frame in shown) <= 15_000


def test_of_few_records_each_is_a_frame() -> None:
    assert [frame.step for frame in scenes.frames(np.array([0, 18, 36]))] == [0, 18, 36]
    assert [frame.step for frame in scenes.frames(np.array([0]))] == [0]


@pytest.mark.parametrize(
    ("units", "shape"), [(1, (1, 2)), (4, (1, 4)), (64, (4, 16)), (97, (7, 14)), (512, (16, 32))]
)
def test_the_cells_of_a_layer_fill_a_wide_grid(units: int, shape: tuple[int, int]) -> None:
    assert grid_shape(units) == shape


def test_the_weights_axis_is_linear_around_the_first_weights_of_both_runs() -> None:
    trajectory = made_trajectory([0, 1], (2, 10)).assign(weight_mean=[*[0.02] * 12, *[-3.0] * 12])
    calm = trajectory.assign(weight_mean=0.03)
    runs = [filmed(made_history([1]), table) for table in (trajectory, calm)]
    assert weight_limits(runs) == pytest.approx((0.1, -3.9, 0.1))


def tiny_film() -> dict[str, bytes]:
    history, steps = made_history([1, 2, 3]), [0, 1, 2, 3]
    runs = [filmed(history, dying(steps)), filmed(history, dying(steps), "learned")]
    return film.render("Dying units: $elu", runs, seconds=0.4)


def test_a_film_has_the_same_bytes_each_time_and_its_last_picture_is_the_still_one() -> None:
    files = tiny_film()
    assert files == tiny_film()
    animated = Image.open(io.BytesIO(files["film.webp"]))
    count: int = animated.n_frames  # type: ignore[attr-defined]
    assert count == 3
    animated.seek(count - 1)
    still = Image.open(io.BytesIO(files["film.png"]))
    assert np.array_equal(np.asarray(animated.convert("RGB")), np.asarray(still))
    animated.seek(0)
    assert not np.array_equal(np.asarray(animated.convert("RGB")), np.asarray(still))


def test_the_command_writes_the_film_next_to_a_report_that_is_there(
    lab: Lab,
    grid: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn: list[Any] = []

    def render(title: str, runs: list[FilmedRun]) -> dict[str, bytes]:
        drawn.extend([title, *runs])
        return {"film.webp": b"film", "film.png": b"still"}

    monkeypatch.setattr(film, "render", render)
    (tmp_path / grid).mkdir()
    (tmp_path / grid / "index.html").write_text("page")
    words = ["film.rates=[0.001,0.01]", "film.activation=elu", "report.seed=1"]
    assert main(["film", *settings(lab, grid, tmp_path), *words]) == 0
    assert contents(tmp_path / grid) == {
        "film.webp": b"film",
        "film.png": b"still",
        "index.html": b"page",
    }
    paths = [tmp_path / grid / name for name in ("film.webp", "film.png")]
    assert capsys.readouterr().out == "".join(f"{path}\n" for path in paths)
    title, left, right = drawn
    assert title == "Dying units: elu on digits, seed 1, study grid"
    assert (left.lr, right.lr) == (0.01, 0.001)
    runs = frames.read_study(lab.store, grid).used.set_index(["activation", "lr", "seed"])
    trajectory = tracking.read_trajectory(lab.store, grid, runs.loc[("elu", 0.01, 1), "run_id"])
    last = trajectory[trajectory["step"] == trajectory["step"].max()]
    active = last.loc[last["layer"] == 1, "active"]
    assert left.at(left.steps[-1]).active.tolist() == active.tolist()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["study=grid"], 1, "study=grid: no run of seed 0 lost units of layer 1 and failed"),
        (["study=grid", "film.activation=tanh"], 2, "not in study grid. Choose one of relu, elu."),
        (["study=grid", "film.rates=[0.001,0.2]"], 2, "Choose two of 0.001, 0.01."),
        (["study=grid", "film.rates=[0.001]"], 2, "film.rates=[0.001]: give two different rates"),
        (["study=grid", "film.rates=0.001"], 2, "film.rates=0.001: give two different rates"),
        (
            ["study=grid", "film.rates=[0.001,0.01]", "film.layer=2"],
            2,
            "film.layer=2: must be a hidden layer, from 1 to 1.",
        ),
        (["study=grid", "film.layer=0"], 2, "film.layer=0: must be at least 1."),
        (["study=grid", "report.seed=7"], 1, "report.seed=7: no finished run has this seed."),
        (["report.compare=[a,b]"], 2, "report.compare: cannot be used with the command 'film'"),
    ],
)
def test_a_mistake_is_one_line(
    grid: str, refused: Refusal, words: list[str], code: int, message: str
) -> None:
    assert message in refused(["film", *words], code)
