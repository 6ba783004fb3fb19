"""Points are averaged over their seeds alone: by the same rule wherever a mean is shown."""

import io
import math
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from actscope import tracking
from actscope.analysis.frames import read_study
from actscope.config import Point, Tracking
from actscope.engine.result import Outcome
from actscope.sweep.console import print_grid
from actscope.sweep.point_status import PointStatus, State
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done, Failed, Result
from actscope.sweep.runner import run_sweep
from actscope.sweep.status_table import print_statuses
from actscope.sweep.summary import cell_means, print_summary
from actscope.tracking import GridPoint
from tests.support.making import ELU, RELU, make_point
from tests.support.stores import store_at

STORE = store_at("sqlite:////nowhere/mlflow.db")


def shown(print_it: object, *what: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_it(console, *what)  # type: ignore[operator]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def done(point: Point, accuracy: float) -> Done:
    return Done(point, "r", Outcome.LEARNED, accuracy)


@pytest.mark.parametrize(
    ("setting", "values", "variant"),
    [
        ("hidden", [(1,), (64,)], "model.hidden=[1]"),
        ("init", ["he", "lecun"], "model.init=he"),
        ("epochs", [1, 2], "train.epochs=1"),
        ("batch_size", [10, 20], "train.batch_size=10"),
        ("reduction", ["mean", "sum"], "train.reduction=mean"),
        ("momentum", [0.0, 0.9], "train.momentum=0.0"),
        ("weight_decay", [0.0, 0.1], "train.weight_decay=0.0"),
        ("every", [1, "epoch"], "trajectory.every=1"),
        ("learned_from", [0.5, 0.9], "outcome.learned_from=0.5"),
    ],
)
def test_a_setting_that_is_swept_makes_lines_of_their_own(
    setting: str, values: list[object], variant: str
) -> None:
    points = [
        make_point(seed=seed, **{setting: value})  # type: ignore[arg-type]
        for value in values
        for seed in (0, 1)
    ]
    results = [done(point, 0.1 * (1 + number)) for number, point in enumerate(points)]
    cells = cell_means(results)
    assert cells["n"].tolist() == [2, 2]
    assert cells["final_mean"].tolist() == pytest.approx([0.15, 0.35])
    assert cells["variant"].iloc[0] == variant
    name = variant.partition("=")[0]
    assert f"points  4 (1 activations x 1 rates x 2 seeds x 2 {name})" in shown(
        print_grid, points, "store"
    )
    said = shown(print_summary, results, STORE)
    assert [line.count("relu") for line in said.splitlines()].count(1) == 2
    assert variant in said


def test_an_activation_s_own_setting_makes_lines_of_that_activation_alone() -> None:
    softer = ELU.__class__("elu", "torch.nn.ELU", (("alpha", 0.5),))
    results = [done(make_point(of), 0.5) for of in (RELU, ELU, softer)]
    alpha = "activation.function.alpha"
    cells = cell_means(results).set_index("variant")["activation"].to_dict()
    assert cells == {"": "relu", f"{alpha}=0.5": "elu", f"{alpha}=1.0": "elu"}


def test_studies_of_one_sweep_are_told_apart() -> None:
    results: list[Result] = [
        done(make_point(study="a"), 0.25),
        Failed(make_point(study="b"), "it raised"),
    ]
    said = shown(print_summary, results, STORE)
    assert said.startswith("a\n")
    of_a, of_b = said.split("\nb\n")
    assert "0.2500" in of_a
    assert "1 not trained" in of_b


def test_a_sweep_of_one_variant_begins_with_its_table() -> None:
    said = shown(print_summary, [done(make_point(), math.nan)], STORE)
    assert said.splitlines()[0].strip().startswith("Final test accuracy")


def test_marks_of_variants_stand_in_rows_of_their_own() -> None:
    points = [make_point(hidden=hidden, seed=seed) for hidden in ((1,), (64,)) for seed in (0, 1)]
    said = shown(
        print_statuses,
        [GridPoint.of(point) for point in points],
        [PointStatus(State.FINISHED)] * 2 + [PointStatus(State.MISSING)] * 2,
    )
    rows = {line.split("│")[1].strip(): line for line in said.splitlines() if "relu" in line}
    assert rows.keys() == {"model.hidden=[1]", "model.hidden=[64]"}
    assert "##" in rows["model.hidden=[1]"]
    assert ".." in rows["model.hidden=[64]"]


def test_summary_file_note_and_report_have_the_same_cells(tmp_path: Path) -> None:
    settings = Tracking(f"sqlite:///{tmp_path}/mlflow.db")
    points = [
        make_point(hidden=hidden, epochs=1, every="epoch", seed=seed, learned_from=0.01)
        for hidden in ((1,), (4,))
        for seed in (0, 1)
    ]
    console = Console(file=io.StringIO(), width=200)
    run_sweep(points, settings, "s1", Resources(0, 20), console)
    store = tracking.locate_store(settings)
    experiment = store.find_experiment("tests").experiment_id
    (sweep,) = (a for a in tracking.read_summaries(store, experiment) if a.is_sweep)
    path = store.artifact_path("tests", sweep.run_id, "cells.csv")
    cells = pd.read_csv(path, keep_default_na=False)
    reported = read_study(store, "tests").cells[list(cells.columns)]
    pd.testing.assert_frame_equal(cells, reported, check_dtype=False)
    note = store.client.get_run(sweep.run_id).data.tags["mlflow.note.content"]
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    for cell in reported.to_dict("records"):
        (row,) = (line for line in note.splitlines() if line.endswith(f"{cell['variant']} |"))
        below = said.partition(f"\n{cell['variant']}\n")[2]
        line = next(line for line in below.splitlines() if "relu" in line)
        for text in (f"{cell['final_mean']:.4f}", f"{cell['final_sd']:.4f}", str(cell["outcomes"])):
            assert text in row
            assert text in line
