"""Two studies side by side, with differences worked by hand."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from actscope.analysis import comparison
from actscope.analysis.comparison import Pair
from actscope.analysis.frames import StudyRuns, choose_runs
from actscope.analysis.stats import NO_PAIR, ONE_PAIR, T
from actscope.engine.result import Outcome
from actscope.errors import ReportError
from actscope.report.cli import main
from actscope.report.figures.comparison import draw_by_epoch
from actscope.report.figures.style import STYLES
from actscope.report.text.comparison import answer, in_lines
from tests.analysis.test_frames import row
from tests.report.test_report import attempts, contents, links, runs_at
from tests.support.studies import RELU, Lab, Refusal, point

Finals = Mapping[tuple[str, float], Mapping[int, float | None]]

# The 0.975 quantile of Student's t with 2 degrees of freedom, from the printed tables.
T_2 = 4.303
RELU_AT_01 = ("relu", 0.1)


def study(name: str, finals: Finals, **settings: str) -> StudyRuns:
    """A study with these final accuracies by cell and seed; None: that run diverged."""
    return choose_runs(name, pd.DataFrame(rows(name, finals, settings)))


def rows(name: str, finals: Finals, settings: Mapping[str, str]) -> list[dict[str, object]]:
    return [
        row(
            f"{name}-{activation}-{lr}-{seed}-{'-'.join(settings.values())}",
            activation=activation,
            lr=str(lr),
            seed=str(seed),
            outcome="diverged" if final is None else "learned" if final >= 0.5 else "failed",
            **{"test/accuracy_final": final, **settings},
        )
        for (activation, lr), by_seed in finals.items()
        for seed, final in by_seed.items()
    ]


def cell(both: Pair, activation: str = "relu", lr: float = 0.1) -> dict[str, object]:
    found = both.cells[(both.cells["activation"] == activation) & (both.cells["lr"] == lr)]
    (only,) = found.to_dict("records")
    return {str(name): value for name, value in only.items()}


def pair(first: Finals, second: Finals) -> Pair:
    return comparison.pair(study("sum", first), study("mean", second))


def said(both: Pair) -> str:
    return " ".join(answer(both))


# --- cells --------------------------------------------------------------------------------------


def test_a_difference_is_paired_over_the_seeds_with_which_both_learned() -> None:
    # Both learned with seeds 0 to 2: differences 10, 12 and 14 points, mean 12, sd 2.
    both = pair(
        {RELU_AT_01: {0: 0.90, 1: 0.92, 2: 0.94, 3: 0.10}},
        {RELU_AT_01: {2: 0.80, 1: 0.80, 0: 0.80, 3: 0.99, 9: 0.99}},
    )
    found = cell(both)
    half = T_2 * 0.02 / 3**0.5
    assert (found["n"], found["method"], found["ahead"]) == (3, T, "first")
    assert found["mean"] == pytest.approx(0.12)
    assert (found["low"], found["high"]) == pytest.approx((0.12 - half, 0.12 + half), abs=1e-5)
    assert (found["first_n"], found["first_runs"], found["second_n"]) == (3, 4, 5)
    assert found["first_final_mean"] == pytest.approx((0.90 + 0.92 + 0.94) / 3)


def test_the_second_may_be_ahead_and_chance_may_leave_it_open() -> None:
    three = {0: 0.80, 1: 0.80, 2: 0.80}
    both = pair(
        {RELU_AT_01: three, ("elu", 0.1): three},
        {RELU_AT_01: {0: 0.90, 1: 0.92, 2: 0.94}, ("elu", 0.1): {0: 0.70, 1: 0.80, 2: 0.91}},
    )
    assert cell(both)["mean"] == pytest.approx(-0.12)
    assert cell(both)["ahead"] == "second"
    assert cell(both, "elu")["ahead"] == ""


def test_seeds_of_which_none_is_shared_are_not_compared() -> None:
    both = pair({RELU_AT_01: {0: 0.9, 1: 0.9}}, {RELU_AT_01: {2: 0.8, 3: 0.8}})
    assert (cell(both)["n"], cell(both)["method"], cell(both)["ahead"]) == (0, NO_PAIR, "")
    assert said(both).startswith("Both studies have 1 cell, but in no cell did both learn")


@pytest.mark.parametrize(("digest", "examples"), [("", 4), ("others", 0)])
def test_a_difference_over_both_is_of_the_same_examples(digest: str, examples: int) -> None:
    """Each run of the first is right about one example more than that of the second."""
    finals = {RELU_AT_01: {0: 0.75, 1: 0.75}}
    first, second = study("sum", finals), study("mean", finals)
    second = replace(second, runs=second.runs.assign(data=second.runs["data"] + digest))
    correct = {run_id: np.array([1, 1, 1, 0], bool) for run_id in first.runs["run_id"]}
    correct |= {run_id: np.array([1, 1, 0, 0], bool) for run_id in second.runs["run_id"]}
    found = cell(comparison.pair(first, second, correct))
    assert found["images"] == examples
    # Of four examples one differs by 1: s² = 1/4, and so the error of the mean is 1/4.
    expected = [0.25 - 3.182 / 4, 0.25 + 3.182 / 4] if examples else [np.nan, np.nan]
    assert [found["both_low"], found["both_high"]] == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_test_accuracies_are_not_compared_with_those_of_validation() -> None:
    finals = {RELU_AT_01: {0: 0.75}}
    searched = choose_runs(
        "search",
        pd.DataFrame(rows("search", finals, {"data.test": "False"})).assign(
            **{"metrics.validation/accuracy_best": 0.9}
        ),
    )
    with pytest.raises(ReportError) as error:
        comparison.pair(study("sum", finals), searched)
    assert str(error.value) == (
        "report.compare=[sum,search]: the first has test accuracies, the second validation "
        "accuracies. Compare studies of one kind."
    )


def test_a_run_that_diverged_is_counted_and_enters_no_pair() -> None:
    both = pair({RELU_AT_01: {0: 0.9, 1: None}}, {RELU_AT_01: {0: 0.8, 1: 0.8}})
    found = cell(both)
    assert (found["first_n"], found["first_diverged"]) == (1, 1)
    assert (found["n"], found["method"]) == (1, ONE_PAIR)
    assert found["mean"] == pytest.approx(0.1)


def test_a_cell_that_only_one_has_has_no_difference() -> None:
    three = {0: 0.90, 1: 0.92, 2: 0.94}
    both = pair(
        {RELU_AT_01: three, ("relu", 1.0): three, ("relu", 3.0): three},
        {RELU_AT_01: three, ("elu", 0.1): three},
    )
    assert both.shared["lr"].tolist() == [0.1]
    assert pd.isna(cell(both, lr=1.0)["second_n"])
    assert cell(both, lr=1.0)["n"] == 0
    assert in_lines(both.only("first")) == ["relu at lr 1 and 3"]
    assert in_lines(both.only("second")) == ["elu at lr 0.1"]
    assert "Not compared: 2 cells only in sum and 1 cell only in mean." in said(both)


def test_cells_stand_in_the_order_of_every_table() -> None:
    one = {0: 0.9}
    both = pair({("tanh", 0.1): one, ("elu", 1.0): one}, {("relu", 0.1): one, ("elu", 0.1): one})
    order = both.cells[["activation", "lr"]].to_numpy().tolist()
    assert order == [["relu", 0.1], ["elu", 0.1], ["elu", 1.0], ["tanh", 0.1]]


def test_tests_are_corrected_over_all_cells() -> None:
    three = {0: 0.80, 1: 0.80, 2: 0.80}
    both = pair(
        {RELU_AT_01: {0: 0.90, 1: 0.92, 2: 0.94}, ("relu", 1.0): {0: 0.70, 1: 0.80, 2: 0.91}},
        {RELU_AT_01: three, ("relu", 1.0): three},
    )
    # t = 0.12 / (0.02 / sqrt(3)) = 10.39 with 2 degrees of freedom: p = 0.0091.
    assert cell(both)["p"] == pytest.approx(0.0091, abs=1e-4)
    assert cell(both)["p_holm"] == pytest.approx(2 * 0.0091, abs=2e-4)
    assert "With Holm's correction over the 2 tests, 1 is significant at 5 %." in said(both)


# --- settings and variants ----------------------------------------------------------------------


def settings(first: StudyRuns, second: StudyRuns) -> list[list[str]]:
    return comparison.pair(first, second).differing_settings.to_numpy().tolist()


def test_settings_that_differ_are_listed_and_no_others() -> None:
    first = study("a", {RELU_AT_01: {0: 0.9}}, **{"train.reduction": "sum", "study": "a"})
    second = study(
        "b",
        {("relu", 1.0): {0: 0.9}},
        **{"train.reduction": "mean", "study": "b", "data.root": "/"},
    )
    assert settings(first, second) == [["lr", "0.1", "1.0"], ["train.reduction", "sum", "mean"]]


def test_an_activation_s_own_setting_and_the_code_are_compared_too() -> None:
    alpha = "activation.function.alpha"
    one = {("elu", 0.1): {0: 0.9}}
    first = study("a", one, **{alpha: "0.5", "signature.code": "c1"})
    second = study("b", one, **{alpha: "1.0", "signature.code": "c2"})
    assert settings(first, second) == [
        [f"{alpha} of elu", "0.5", "1.0"],
        ["training code (SHA-256)", "c1", "c2"],
    ]


def test_a_setting_that_one_study_never_heard_of_is_unset_there() -> None:
    one = {RELU_AT_01: {0: 0.9}}
    found = settings(study("a", one), study("b", one, **{"train.momentum": "0.9"}))
    assert found == [["train.momentum", "unset", "0.9"]]


def test_a_study_with_a_variant_like_the_other_study_is_compared_by_that_one() -> None:
    narrow, wide = ({"model.hidden": text} for text in ("[64]", "[128]"))
    one = {RELU_AT_01: {0: 0.8, 1: 0.9}}
    first = study("a", one, **narrow)
    second = choose_runs("b", pd.DataFrame([*rows("b", one, narrow), *rows("b", one, wide)]))
    both = comparison.pair(first, second)
    assert first.used["variant"].tolist() == ["", ""]
    assert both.shared["variant"].tolist() == ["model.hidden=[64]"]
    assert both.only("second")["variant"].tolist() == ["model.hidden=[128]"]


def test_studies_that_differ_throughout_in_a_setting_are_compared_all_the_same() -> None:
    one = {RELU_AT_01: {0: 0.8, 1: 0.9}}
    both = comparison.pair(
        study("a", one, **{"model.hidden": "[64]"}), study("b", one, **{"model.hidden": "[128]"})
    )
    assert both.shared["variant"].tolist() == [""]
    assert "They differ in model.hidden: [64] and [128]." in said(both)


# --- in words -----------------------------------------------------------------------------------


def test_the_answer_tells_who_is_ahead_where_and_how_runs_ended() -> None:
    three = {0: 0.80, 1: 0.80, 2: 0.80}
    both = pair(
        {RELU_AT_01: {0: 0.90, 1: 0.92, 2: 0.94}, ("relu", 1.0): {0: 0.6, 1: 0.6, 2: None, 3: 0.1}},
        # At 1.0 two pairs: -10 and -31 points, an interval of 12.7 times 10.5 on either side.
        {RELU_AT_01: three, ("relu", 1.0): {0: 0.70, 1: 0.91, 2: 0.80, 3: 0.9}},
    )
    text = said(both)
    assert text.startswith(
        "Of 2 cells that can be compared, sum is ahead in 1 and mean in 0, by the 95 % t-interval "
        "over seeds of the paired difference; in 1 either may be better."
    )
    assert "at relu at lr = 0.1: sum is 12.00 points above mean (7.03 to 16.97, 3 seeds)" in text
    assert "Their settings are the same." in text
    highest = "sum has its highest mean on the test set itself with relu at lr = 0.1"
    assert f"{highest}: 92.00 % (mean of 3 runs" in text
    assert "Of the 7 runs of sum, 5 learned, 1 failed and 1 diverged." in text
    assert "Of the 7 runs of mean, 7 learned." in text


def test_studies_without_a_cell_in_common_are_told_apart_by_their_best() -> None:
    both = pair({RELU_AT_01: {0: 0.9}}, {("relu", 1.0): {0: 0.1}})
    assert said(both).startswith("The two studies share no activation at the same rate")
    assert "In mean, no cell learned with every seed." in said(both)
    highest = "sum has its highest mean on the test set itself with relu at lr = 0.1"
    assert f"{highest}: 90.00 % (one run, so no interval)." in said(both)


# --- the report ---------------------------------------------------------------------------------


def test_a_study_of_one_epoch_is_drawn_as_a_dot_beside_the_other_s_line() -> None:
    cells = pd.DataFrame({"activation": ["relu"] * 2, "lr": [0.1, 0.01], "n": 3, "diverged": 0})
    failed = pd.DataFrame(columns=["study", "activation", "lr", "seed", "epoch", "value"])
    curves = pd.DataFrame(
        {
            "study": ["short", "short", "long"],
            "activation": "relu",
            "lr": [0.1, 0.01, 0.01],
            "epoch": [1, 1, 2],
            "low": [0.4, 0.5, 0.6],
            "mean": [0.5, 0.6, 0.7],
            "high": [0.6, 0.7, 0.8],
        }
    )
    figure = draw_by_epoch("", curves, failed, cells, ["short", "long"])
    _, alone = figure.axes
    (drawn,) = alone.containers
    assert drawn.lines[0].get_ydata().tolist() == [50]
    assert drawn.lines[0].get_color() == STYLES[0].colour


def words(lab: Lab, folder: Path, *studies: str) -> list[str]:
    compared = f"report.compare=[{','.join(studies)}]"
    return [compared, f"tracking.uri={lab.store.uri}", f"report.folder={folder}"]


@pytest.fixture(scope="module")
def report(lab: Lab, grid: str, averaged: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    assert main(words(lab, folder, grid, averaged)) == 0
    return folder / "grid+averaged"


def test_it_has_its_page_tables_figures_and_manifest(report: Path) -> None:
    names = ("cells", "outcomes", "runs", "settings")
    figures = ("final_accuracy_by_rate", "test_accuracy_by_epoch")
    assert sorted(contents(report)) == sorted(
        [
            "explore.html",
            "index.html",
            "manifest.json",
            *(f"figures/{name}.{kind}" for name in figures for kind in ("png", "svg")),
            *(f"tables/{name}.{kind}" for name in names for kind in ("csv", "md", "tex")),
        ]
    )
    manifest = json.loads((report / "manifest.json").read_text())
    assert [own["study"] for own in manifest["studies"]] == ["grid", "averaged"]
    assert [len(own["runs"]) for own in manifest["studies"]] == [8, 8]


@pytest.mark.slow
def test_the_same_runs_give_the_same_bytes_in_other_processes(
    lab: Lab, report: Path, tmp_path: Path
) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "actscope.report", "report.processes=2"),
            *words(lab, tmp_path, "grid", "averaged"),
        ],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"{tmp_path / 'grid+averaged' / 'index.html'}\n"
    assert contents(tmp_path / "grid+averaged") == contents(report)


def test_its_tables_hold_what_both_studies_have(report: Path) -> None:
    cells = pd.read_csv(report / "tables" / "cells.csv")
    assert cells[["activation", "lr"]].to_numpy().tolist() == [
        [name, lr] for name in ("relu", "elu") for lr in (0.001, 0.01, 0.1)
    ]
    assert cells["n"].tolist() == [0, 2, 0] * 2
    one = cells.iloc[1]
    assert one["mean"] == pytest.approx(one["first_final_mean"] - one["second_final_mean"])
    runs = pd.read_csv(report / "tables" / "runs.csv")
    assert runs.groupby("study", sort=False).size().to_dict() == {"grid": 8, "averaged": 8}
    settings = pd.read_csv(report / "tables" / "settings.csv")
    assert settings["setting"].tolist() == ["lr", "train.reduction"]


def test_its_numbers_lead_to_the_runs_of_their_own_study(report: Path) -> None:
    page = (report / "index.html").read_text()
    cells = pd.read_csv(report / "tables" / "cells.csv")
    runs = pd.read_csv(report / "tables" / "runs.csv").set_index(["study", "activation", "lr"])
    for side, name in (("first", "grid"), ("second", "averaged")):
        mean = f"{100 * cells.iloc[1][f'{side}_final_mean']:.2f}\N{NO-BREAK SPACE}%"
        behind = [runs_at(page, address) for text, address in links(page) if text == mean]
        expected = runs.loc[(name, "relu", 0.01), "run_id"].tolist()
        assert expected in [[address.rsplit("/", 1)[1] for address in own] for own in behind]
    ids = set(re.findall(r' id="([^"]*)"', page))
    addresses = re.findall(r'href="#([^"]*)"', page)
    assert len(addresses) > 20
    assert set(addresses) <= ids


def test_it_is_attached_to_no_sweep(lab: Lab, report: Path, averaged: str) -> None:
    sweeps = [attempt.run_id for attempt in attempts(lab, averaged) if attempt.is_sweep]
    assert len(sweeps) == 1
    assert not lab.store.artifact_path(averaged, sweeps[0], "report").exists()


def test_runs_that_all_diverged_stand_beside_variants(
    lab: Lab, epochs_vary: str, tmp_path: Path
) -> None:
    (result,) = lab.train([point("burst", RELU, 0.01, 0)])
    burst = replace(result, outcome=Outcome.DIVERGED, diverged_at=20, history=result.history[:0])
    lab.log(lab.sweep("burst"), [burst])
    assert main(words(lab, tmp_path, "burst", epochs_vary)) == 0
    page = (tmp_path / f"burst+{epochs_vary}" / "index.html").read_text()
    assert "none learned" in page
    assert "no seed with which both learned" in page
    assert "Only epochs_vary has:" in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["report.compare=[grid]"], 2, "report.compare=['grid']: give two different studies, as"),
        (["report.compare=[a,b,c]"], 2, "give two different studies, as [quickstart,mine]"),
        (["report.compare=[grid,grid]"], 2, "report.compare=['grid', 'grid']: give two different"),
        (["report.compare=grid"], 2, "report.compare='grid': give two different studies"),
        (
            ["report.compare=[grid,../a]"],
            2,
            "report.compare[1]='../a': must begin with a letter",
        ),
        (["report.compare=[1,grid]"], 2, "report.compare[0]=1: must be a text"),
        (
            ["article", "report.compare=[a,b]"],
            2,
            "report.compare: cannot be used with the command 'article'",
        ),
        (["figure", "x", "report.compare=[a,b]"], 2, "Remove one of the two."),
        (["report.compare=[grid,nothing]"], 1, "study=nothing: the store"),
        (["report.compare=[grid,unfinished]"], 1, "study=unfinished: no finished runs"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    grid: str,
    unfinished: str,
    refused: Refusal,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    assert message in refused(arguments, code)
