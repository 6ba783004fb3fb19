"""The report of a study with another setting in the place of the learning rate."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from actscope.network_settings import Model
from actscope.report.cli import main
from actscope.report.figures import edge
from tests.report.test_explore import index_of
from tests.report.test_report import settings
from tests.support.studies import ELU, RELU, Lab, Refusal, point, without_rendering

BY_WIDTH = "report.axes=[activation,model.width]"
COLUMNS = {
    "summary": ["variant", "activation", "model.width", "runs"],
    "comparisons": ["variant", "model.width", "first", "second"],
    "units": ["variant", "activation", "model.width", "layer"],
    "swings": ["variant", "activation", "model.width", "flat"],
    "flat_against_truth": ["variant", "layers", "truth", "model.width"],
    "runs": ["run_id", "name", "variant", "activation", "model.width", "seed"],
}


@pytest.fixture(scope="module")
def widths(lab: Lab) -> str:
    """2 activations x the widths 3, 12 and 6 x 2 seeds."""
    for width in (3, 12, 6):  # a stack has one shape
        points = [
            replace(point("widths", activation, 0.01, seed, 1), model=Model((width,)))
            for activation in (RELU, ELU)
            for seed in (0, 1)
        ]
        lab.run("widths", points)
    return "widths"


@pytest.fixture(scope="module")
def report(lab: Lab, widths: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    with without_rendering():
        assert main([*settings(lab, widths, folder), BY_WIDTH]) == 0
    return folder / widths


def test_tables_have_a_column_by_the_setting_s_name_and_none_of_rates(report: Path) -> None:
    tables = {name: pd.read_csv(report / f"tables/{name}.csv") for name in COLUMNS}
    for name, columns in COLUMNS.items():
        assert list(tables[name].columns[: len(columns)]) == columns
        assert "lr" not in tables[name]
    assert tables["summary"]["model.width"].tolist() == [3, 6, 12, 3, 6, 12]
    assert tables["summary"]["runs"].tolist() == [2] * 6


def test_means_are_those_of_the_runs_of_a_width(report: Path) -> None:
    runs = pd.read_csv(report / "tables/runs.csv")
    cells = pd.read_csv(report / "tables/summary.csv").set_index(["activation", "model.width"])
    learned = runs[runs["outcome"] == "learned"]
    means = learned.groupby(["activation", "model.width"])["final"].mean()
    assert cells["final_mean"].dropna().to_dict() == pytest.approx(means.to_dict())


def test_the_page_speaks_of_widths_and_leaves_out_the_edge(report: Path) -> None:
    page = html.unescape((report / "index.html").read_text())
    assert '<th scope="col">width = 3</th>' in page
    assert "<b>3</b><span>values of width</span>" in page
    assert "Mean final accuracy over the width, by activation." in page
    assert "one column per width" in page
    assert "other than activation, width and seed are variants" in page
    assert "learning rate" not in page
    assert "edge of trainability" not in page
    assert "Grey lines" not in page  # both activations have a colour
    assert f'make report STUDY=widths ARGS="{BY_WIDTH}"' in page
    assert (report / "figures/accuracy_by_width.png").exists()
    assert json.loads((report / "manifest.json").read_text())["axes"] == [
        "activation",
        "model.width",
    ]


def test_lines_that_are_not_highlighted_are_called_grey(
    lab: Lab, widths: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "HIGHLIGHTED", 1)
    with without_rendering():
        assert main([*settings(lab, widths, tmp_path), BY_WIDTH]) == 0
    page = (tmp_path / widths / "index.html").read_text()
    assert "Grey lines are the other activations." in page


def test_numbers_lead_to_their_runs_and_runs_to_the_explorer(report: Path) -> None:
    page = (report / "index.html").read_text()
    ids = set(re.findall(r'<tbody class="cell" id="([^"]+)"', page))
    behind = set(re.findall(r'class="behind" href="#([^"]+)"', page))
    assert len(ids) == 6
    assert ids <= behind
    known = {
        f"{run['activation']}/{run['lr']}/{run['seed']}/{run['group']}"
        for run in index_of((report / "explore.html").read_text())["runs"]
    }
    linked = re.findall(r'href="explore.html#a=([^"]+)"', page)
    assert len(linked) == len(known) == 12
    decoded = {text.replace("%3D", "=").replace("%5B", "[").replace("%5D", "]") for text in linked}
    assert decoded == known


def test_one_figure_has_the_axes_too(lab: Lab, widths: str, tmp_path: Path) -> None:
    words = ["figure", "accuracy_by_width", *settings(lab, widths, tmp_path)]
    assert main([*words, BY_WIDTH]) == 0
    assert (tmp_path / "widths/figures/accuracy_by_width.svg").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["report.axes=[lr,activation]"],
            (
                "report.axes=['lr', 'activation']: the first must be activation. Give activation "
                "and another setting, as [activation,model.width]."
            ),
        ),
        (["report.axes=[activation]"], "report.axes=['activation']: must be two settings. Give"),
        (["report.axes=[activation,lr,seed]"], ": must be two settings. Give"),
        (["report.axes=activation"], "report.axes='activation': must be two settings. Give"),
        (["report.axes=[activation,seed]"], ": seed is no axis, as means are over seeds. Give"),
        (
            ["report.axes=[activation,train.batch_size]"],
            (
                "report.axes=[activation,train.batch_size]: train.batch_size does not vary between "
                "the runs of study widths. Choose one of model.width."
            ),
        ),
        (
            ["report.axes=[activation,model.hidden]"],
            "is no axis, as the layers of each run have one width. Choose one of model.width.",
        ),
        ([BY_WIDTH, "report.compare=[widths,grid]"], "cannot be used with report.compare. Remove"),
    ],
)
def test_axes_that_do_not_fit_are_one_line(
    refused: Refusal, widths: str, words: list[str], message: str
) -> None:
    assert message in refused([f"study={widths}", *words], 2)


@pytest.mark.parametrize("command", ["article", "claims", "film"])
def test_other_commands_have_no_axes(refused: Refusal, command: str) -> None:
    assert refused([command, BY_WIDTH], 2) == (
        f"actscope: {BY_WIDTH}: cannot be used with the command '{command}'. Remove one of the "
        "two.\n"
    )
