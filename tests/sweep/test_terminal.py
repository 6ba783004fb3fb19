"""What a sweep shows on a terminal: a grid that fills, then its table and sentences."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from actscope import tracking
from actscope.config import Activation, Point, Tracking
from actscope.engine.result import Outcome
from actscope.sweep.console import Progress, SweepView
from actscope.sweep.grid import check_grid
from actscope.sweep.grid_table import GridTable, LiveTable
from actscope.sweep.open_sweep import OpenSweep, opened
from actscope.sweep.resources import Resources
from actscope.sweep.result_grid import ResultGrid
from actscope.sweep.results import Done, Failed, Result, Training
from actscope.sweep.runner import run_sweep
from actscope.sweep.summary import print_summary, times_in_words
from tests.support.making import ELU, RELU, make_point
from tests.support.stores import store_at

STORE = store_at("sqlite:////nowhere/mlflow.db")
WIDTHS = (60, 100, 200)
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def terminal(width: int = 100, height: int = 50) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, highlight=False
    )


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def said(console: Console) -> str:
    """What was printed, without colours and movements of the cursor."""
    return CODES.sub("", written(console))


def drawn(what: object, width: int = 100, height: int = 50) -> str:
    console = terminal(width, height)
    console.print(what)
    return said(console)


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each activation's row, by its name."""
    lines = (re.split(r"\s{2,}", line.strip()) for line in text.splitlines())
    return {name: cells for name, *cells in lines if name in ("relu", "elu")}


def ended(point: Point, outcome: Outcome, accuracy: float = math.nan) -> Done:
    return Done(point, "r", outcome, accuracy)


RATES, SEEDS = (0.001, 0.01), range(5)
POINTS = [
    make_point(activation, lr=lr, seed=seed)
    for activation in (ELU, RELU)
    for lr in RATES
    for seed in SEEDS
]


def made_up(points: Sequence[Point] = POINTS) -> list[Result]:
    """ReLU learns at 0.001 (mean 0.92) and in two seeds at 0.01; eLU learns and then diverges."""
    results: list[Result] = []
    for point in points:
        if point.lr == 0.001:
            base = 0.90 if point.activation == RELU else 0.80
            results.append(ended(point, Outcome.LEARNED, base + 0.01 * point.seed))
        elif point.activation == ELU:
            results.append(ended(point, Outcome.DIVERGED))
        elif point.seed < 2:
            results.append(ended(point, Outcome.LEARNED, 0.97))
        elif point.seed < 4:
            results.append(ended(point, Outcome.FAILED, 0.1))
        else:
            results.append(Failed(point, "RuntimeError: it raised"))
    return results


def table_of(results: Sequence[Result], points: Sequence[Point] = POINTS) -> GridTable:
    grid = ResultGrid(points)
    grid.add(results)
    return GridTable(grid)


def test_a_cell_has_its_mean_so_far_its_runs_done_and_its_bad_ends() -> None:
    every = made_up()
    some = [r for r in every if r.point.seed < 3]
    shown = drawn(table_of(some))
    assert rows(shown) == {
        "relu": ["0.910 3/5", "0.970 3/5 ✗ 1 failed"],
        "elu": ["0.810 3/5", "3/5 ! 3 diverged"],
    }
    assert "✗ 1 failed (did not learn)" in shown
    assert "! 3 diverged (a number was no longer finite)" in shown


def test_a_point_that_raised_is_not_one_that_failed_to_learn() -> None:
    assert "0.970 5/5 ? 1 not trained ✗ 2 failed" in drawn(table_of(made_up()))


def test_a_cell_without_results_says_so() -> None:
    assert rows(drawn(table_of([])))["relu"] == ["·", "0/5", "·", "0/5"]


def test_rows_are_in_the_order_of_the_reports_and_grouped_by_variant() -> None:
    points = [make_point(of, hidden=(4,) * depth) for depth in (2, 1) for of in (ELU, RELU)]
    first = [line.split()[0] for line in drawn(table_of([], points)).splitlines()[1:] if line]
    of_each = ["activation", "relu", "elu"]
    assert first[:8] == ["model.depth=1", *of_each, "model.depth=2", *of_each]


@pytest.mark.parametrize("width", [12, *WIDTHS])
def test_a_run_that_learned_may_have_lost_its_accuracy(width: int) -> None:
    drawn(table_of([ended(POINTS[0], Outcome.LEARNED)]), width)


def test_a_cell_that_the_grid_leaves_out_is_empty() -> None:
    points = [make_point(RELU, lr=0.1), make_point(RELU, lr=0.2), make_point(ELU, lr=0.2)]
    assert rows(drawn(table_of([], points)))["elu"] == ["·", "0/1"]


LARGE = [
    make_point(Activation(f"function_{number}", "torch.nn.ReLU"), lr=0.0003 * 1.36**step, seed=seed)
    for number in range(14)
    for step in range(20)
    for seed in range(2)
]


@pytest.mark.parametrize("width", [30, *WIDTHS])
@pytest.mark.parametrize("points", [POINTS, LARGE], ids=["small", "large"])
def test_no_line_of_a_table_is_wider_than_the_terminal_or_wrapped(
    points: list[Point], width: int
) -> None:
    results = [
        ended(p, Outcome.LEARNED, 1.0) if p.lr < 0.01 else ended(p, Outcome.FAILED, 0.1)
        for p in points
    ]
    lines = drawn(table_of(results, points), width).splitlines()
    assert max(map(len, lines)) <= width
    names = {point.activation.name for point in points}
    bands = len([line for line in lines if line.split()[:1] == ["function_0"]]) or 1
    starts = [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in names]
    assert sorted(starts) == sorted([*names] * bands)


@pytest.mark.parametrize(
    ("width", "cells"),
    [
        (100, ["0.910 3/5", "0.970 3/5 ✗ 1 failed"]),
        (40, ["0.910 3/5", "0.970 3/5 ✗1"]),
        (30, [".910…", ".970… ✗1"]),
    ],
)
def test_a_narrower_terminal_gets_shorter_cells(width: int, cells: list[str]) -> None:
    some = [result for result in made_up() if result.point.seed < 3]
    assert rows(drawn(table_of(some), width))["relu"] == cells


def test_twenty_rates_have_two_digits_and_a_sign_each() -> None:
    results: list[Result] = [
        ended(p, Outcome.DIVERGED) if p.lr > 0.02 and p.seed else ended(p, Outcome.LEARNED, 0.914)
        for p in LARGE
    ]
    shown = drawn(table_of(results, LARGE), 100)
    assert "in %" in shown
    (line,) = (line for line in shown.splitlines() if line.startswith("function_3 "))
    assert line.split() == ["function_3", *["91"] * 14, *["91!"] * 6]


def test_without_colours_the_signs_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = terminal()
    console.print(table_of(made_up()))
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", written(console)) is None
    assert "✗ 2 failed" in said(console)
    assert "! 5 diverged" in said(console)


def test_colours_mark_bad_cells_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    console = terminal()
    console.print(table_of(made_up()))
    assert "\x1b[31m ✗ 2 failed" in written(console)


def test_a_table_that_is_too_high_leaves_room_for_the_progress() -> None:
    table = LiveTable(ResultGrid(LARGE), below=3)
    lines = drawn(table, 100, 10).splitlines()
    assert len(lines) == 10 - 3
    assert re.fullmatch(r"… and \d+ lines more", lines[-1])


def test_a_live_table_shows_results_that_arrive() -> None:
    grid = ResultGrid(POINTS)
    table = LiveTable(grid, below=3)
    assert "0/5" in drawn(table)
    grid.add(made_up())
    assert "0/5" not in drawn(table)


def test_the_progress_counts_runs_with_those_finished_earlier() -> None:
    console = terminal(60)
    view = SweepView(console, POINTS, has_table=False)
    view.add(made_up(POINTS[:5]))
    with view.progress([POINTS[5:12], POINTS[12:]]) as progress:
        progress.bar.refresh()
        view.add(made_up(POINTS[5:12]))
        progress.complete(0)
        progress.bar.refresh()
    lines = [line.strip("\r") for line in said(console).splitlines() if "training" in line]
    assert "5/20 runs" in lines[0]
    assert "12/20 runs" in lines[-1]
    assert "left" in lines[-1]


def test_the_end_has_the_grid_once_its_best_cell_and_the_times() -> None:
    console = terminal()
    share = Training(2.0, "host:1")
    results = [
        replace(result, training=share) if isinstance(result, Done) else result
        for result in made_up()
    ]
    print_summary(console, results, STORE, 61.0)
    shown = said(console)
    assert rows(shown) == {
        "relu": ["0.920 ± 0.016 ★", "0.970 ± 0.000 ? 1 not trained ✗ 2 failed"],
        "elu": ["0.820 ± 0.016", "! 5 diverged"],
    }
    words = " ".join(shown.split())
    assert "relu at lr = 0.001 has the highest mean of 2 cells, on the test set itself" in words
    # 0.92 ± 2.776 * 0.0158 / sqrt(5)
    assert "92.00 % (mean of 5 runs, 95 % t-interval over seeds 90.04 to 93.96 %)" in words
    assert "That is 10.00 points above the next activation, elu" in words
    assert "failed: relu lr=0.01 seed=4: RuntimeError: it raised" in words
    assert "1 min 1 s in all: one process trained 38 s" in words
    assert "make report STUDY=tests or" in words


def test_the_test_set_does_not_choose_where_validation_can() -> None:
    results = [
        Done(make_point(of, seed=seed), "r", Outcome.LEARNED, test + seed / 100, validation)
        for of, test, validation in ((RELU, 0.9, 0.7), (ELU, 0.8, 0.75))
        for seed in (0, 1)
    ]
    console = terminal()
    print_summary(console, results, STORE)
    shown = said(console)
    assert rows(shown)["elu"] == ["0.805 ± 0.007 ★"]
    assert "elu at lr = 0.01 has the highest mean of 2 cells on the validation set." in shown


def test_a_sweep_in_which_nothing_learned_has_no_best_cell() -> None:
    console = terminal()
    print_summary(console, [ended(make_point(), Outcome.FAILED, 0.1)], STORE)
    assert "no activation learned with every seed at any rate" in said(console)
    assert "★" not in said(console)


def test_the_time_of_training_is_averaged_over_the_processes_that_trained() -> None:
    shares = [Training(30.0, "a"), Training(50.0, "b"), Training(20.0, "b"), None]
    results = [
        replace(ended(make_point(seed=seed), Outcome.LEARNED, 0.9), training=share)
        for seed, share in enumerate(shares)
    ]
    words = times_in_words(results, 75.0)
    assert words.startswith("1 min 15 s in all: each of 2 processes trained 50 s on average.")
    assert times_in_words(results[3:], 3.0) == "3.0 s in all, without any training."


def tiny(seed: int) -> list[Point]:
    return [make_point(of, hidden=(4,), epochs=1, every="epoch", seed=seed) for of in (RELU, ELU)]


def test_a_sweep_on_a_terminal_fills_its_table_and_one_without_prints_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Tracking(f"sqlite:///{tmp_path}/mlflow.db")
    run_sweep(tiny(0), settings, "s1", Resources(0), Console(quiet=True))
    seen: list[str] = []

    def look(self: Progress, *_: object) -> Progress:
        seen.append(drawn(self.bar.get_renderable()))
        return self

    monkeypatch.setattr(Progress, "__enter__", look)
    monkeypatch.setattr(Progress, "__exit__", look)
    console = terminal()
    results = run_sweep([*tiny(0), *tiny(1)], settings, "s2", Resources(0), console)
    at_first, at_last = seen
    assert "1/2" in " ".join(rows(at_first)["relu"])
    assert "2/4 runs" in at_first
    assert "2/2" in " ".join(rows(at_last)["relu"])
    assert "4/4 runs" in at_last
    shown = said(console)
    assert "in all: one process trained" in shown
    assert shown.count("Final test accuracy: mean ±") == 1
    assert all(
        (result.training is None) == (point.seed == 0)
        for point, result in results.items()
        if isinstance(result, Done)
    )

    plain = Console(file=io.StringIO(), width=100)
    run_sweep([*tiny(0), *tiny(1)], settings, "s3", Resources(0), plain)
    lines = written(plain)
    assert "┃ activation ┃" in lines
    assert not any(word in lines for word in ("★", "best ", "in all", "\x1b"))


def test_rounds_of_a_tuned_sweep_show_the_progress_alone(tmp_path: Path) -> None:
    settings = Tracking(f"sqlite:///{tmp_path}/mlflow.db")
    console = terminal()
    grid = check_grid(tiny(0))
    store = tracking.open_store(settings)
    with opened(OpenSweep(store, settings, "s1", Resources(0), console, has_rounds=True)) as sweep:
        sweep.train(grid)
    assert "runs" in said(console)
    assert "Final test accuracy" not in said(console)
