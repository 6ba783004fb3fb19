import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from actscope.analysis.frames import read_study
from actscope.report.cli import main
from actscope.tracking import (
    RunSummary,
    Sweep,
    read_summaries,
)
from tests.support.studies import RELU, Lab, Refusal, point, without_rendering

FIGURES = (
    "activation_functions",
    "final_accuracy",
    "test_accuracy_by_epoch",
    "trajectories_elu",
    "trajectories_relu",
    "unit_shares",
    "units_gone",
)
FOR_SLIDES = ("final_accuracy", "test_accuracy_by_epoch", "unit_shares")
SOME_FIGURES = "final_accuracy, test_accuracy_by_epoch, trajectories_relu, trajectories_elu"
TABLES = ("comparisons", "flat_against_truth", "runs", "summary", "swings", "units")


def build(lab: Lab, study: str, folder: Path, *overrides: str) -> Path:
    """The folder of the study's report, built in this process."""
    assert main([*settings(lab, study, folder), *overrides]) == 0
    return folder / study


def images(name: str) -> list[str]:
    """The files of a figure, in their order."""
    slide = [f"figures/{name}_1920.png"] if name in FOR_SLIDES else []
    return [f"figures/{name}.png", f"figures/{name}.svg", *slide]


def settings(lab: Lab, study: str, folder: Path) -> list[str]:
    return [f"study={study}", f"tracking.uri={lab.store.uri}", f"report.folder={folder}"]


@contextmanager
def lost(lab: Lab, study: str, run_id: str, name: str) -> Iterator[None]:
    """An artifact that is away for a while."""
    path = lab.store.artifact_path(study, run_id, name)
    away = path.rename(path.with_suffix(".lost"))
    try:
        yield
    finally:
        away.rename(path)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def summary(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / "summary.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def grid_report(lab: Lab, grid: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(lab, grid, tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def broken_report(
    lab: Lab, broken: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """It is not attached to its sweep."""
    folder = tmp_path_factory.mktemp("reports")
    with without_rendering():
        return build(lab, broken[0], folder, "report.attach=false")


@pytest.fixture
def earlier_report(broken_report: Path, tmp_path: Path) -> Path:
    """A copy of `broken_report`, at tmp_path / its study."""
    return Path(shutil.copytree(broken_report, tmp_path / broken_report.name))


def test_a_report_has_its_page_tables_figures_and_manifest(grid_report: Path) -> None:
    assert sorted(contents(grid_report)) == sorted(
        [
            "explore.html",
            "index.html",
            "manifest.json",
            *(image for name in FIGURES for image in images(name)),
            *(f"tables/{name}.{kind}" for name in TABLES for kind in ("csv", "md", "tex")),
        ]
    )
    manifest = json.loads((grid_report / "manifest.json").read_text())
    assert len(manifest["runs"]) == 8
    assert all(run["used"] and run["why"] for run in manifest["runs"])
    assert manifest["missing_points"] == []
    assert manifest["files"].keys() == contents(grid_report).keys() - {"manifest.json"}


def test_the_same_runs_give_the_same_bytes_in_other_processes(
    lab: Lab, grid: str, grid_report: Path, tmp_path: Path
) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nfont.size: 30\n")
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "actscope.report",
            f"study={grid}",
            f"report.folder={tmp_path}",
            "report.processes=2",
        ],
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": lab.store.uri,
            "PYTHONHASHSEED": "1",
            "TZ": "Asia/Tokyo",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"{tmp_path / grid / 'index.html'}\n"
    assert contents(tmp_path / grid) == contents(grid_report)


@pytest.mark.usefixtures("unrendered")
def test_a_report_takes_the_place_of_an_earlier_one_and_is_attached_to_the_newest_sweep(
    lab: Lab, broken: tuple[str, str], earlier_report: Path
) -> None:
    study, folder = broken[0], earlier_report
    newest = [a for a in attempts(lab, study) if a.is_sweep][-1]
    attached = lab.store.artifact_path(study, newest.run_id, "report")
    assert not attached.exists()
    before = contents(folder)
    (folder / "figures" / "of_yesterday.png").touch()
    (folder / "notes.txt").write_text("a reader's own")
    build(lab, study, folder.parent)
    assert contents(folder) == {**before, "notes.txt": b"a reader's own"}
    assert contents(attached) == {name: before[name] for name in ("index.html", "explore.html")}


@pytest.mark.usefixtures("unrendered")
def test_a_store_that_takes_no_pages_costs_a_report_a_line(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = "closed"
    lab.run(study, [point(study, RELU, 0.01, 0)])
    (attempt,) = (a for a in attempts(lab, study) if a.is_sweep)
    lab.store.artifact_path(study, attempt.run_id, "report").touch()
    folder = build(lab, study, tmp_path)
    said = capsys.readouterr()
    assert said.out == f"{folder / 'index.html'}\n"
    assert said.err.startswith("actscope: cannot attach the report to its sweep: the store ")
    assert said.err.count("\n") == 1


@pytest.mark.usefixtures("unrendered")
def test_a_study_without_a_sweep_has_nothing_to_attach_to(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = "alone"
    alone = Sweep("s1", study, lab.store.ensure_experiment(study), None)
    lab.log(alone, lab.train([point(study, RELU, 0.01, 0)]))
    build(lab, study, tmp_path)
    assert capsys.readouterr().err == ""
    (attempt,) = attempts(lab, study)
    assert not lab.store.artifact_path(study, attempt.run_id, "report").exists()


def attempts(lab: Lab, study: str) -> list[RunSummary]:
    return read_summaries(lab.store, lab.store.find_experiment(study).experiment_id)


OF_NO_FILES = ("activation_functions", "final_accuracy")


# One of each that is drawn of other files; those of none are slow.
@pytest.mark.parametrize(
    "name",
    [
        "test_accuracy_by_epoch",
        "trajectories_elu",
        "unit_shares",
        *(pytest.param(name, marks=pytest.mark.slow) for name in OF_NO_FILES),
    ],
)
def test_one_figure_has_the_bytes_that_it_has_in_the_report(
    lab: Lab,
    grid: str,
    grid_report: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    assert main(["figure", name, *settings(lab, grid, tmp_path)]) == 0
    paths = [tmp_path / grid / path for path in images(name)]
    assert capsys.readouterr().out == "".join(f"{path}\n" for path in paths)
    whole = contents(grid_report)
    assert contents(tmp_path / grid) == {path: whole[path] for path in images(name)}


def test_an_image_for_slides_is_the_figure_1920_pixels_wide(grid_report: Path) -> None:
    for name in FOR_SLIDES:
        with Image.open(grid_report / "figures" / f"{name}.png") as own:
            width, height = own.size
        with Image.open(grid_report / "figures" / f"{name}_1920.png") as slide:
            assert slide.width == 1920
            assert slide.height == pytest.approx(1920 * height / width, abs=2)


@pytest.mark.usefixtures("unrendered")
def test_one_figure_needs_only_the_files_that_it_shows(
    lab: Lab, repeated: tuple[str, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, older, newer = repeated
    figure = ["trajectories_relu", *settings(lab, study, tmp_path)]
    with lost(lab, study, newer, "trajectory.parquet"):
        for name in ("final_accuracy", "test_accuracy_by_epoch"):
            assert main(["figure", name, *settings(lab, study, tmp_path)]) == 0
        assert capsys.readouterr().err == ""
        assert main(["figure", *figure]) == 0
        assert f"left out: study={study}: a file of run {newer}" in capsys.readouterr().err
        with lost(lab, study, older, "trajectory.parquet"):
            assert main(["figure", *figure]) == 1


@pytest.mark.usefixtures("unrendered")
def test_one_figure_leaves_the_rest_of_a_report(
    lab: Lab, broken: tuple[str, str], earlier_report: Path
) -> None:
    before = contents(earlier_report)
    (earlier_report / "figures" / "final_accuracy.svg").unlink()
    where = settings(lab, broken[0], earlier_report.parent)
    assert main(["figure", "final_accuracy", *where]) == 0
    assert contents(earlier_report) == before


def test_the_page_loads_nothing_from_elsewhere(grid_report: Path) -> None:
    page = (grid_report / "index.html").read_text()
    loads = re.findall(r"""(?:src|href)\s*=\s*"([^"]*)"|url\(|@import|<script|<link""", page)
    assert loads
    for address in loads:
        if address.startswith("http://127.0.0.1:5000/#/experiments/"):
            continue  # a run in MLflow's UI, which a reader may follow
        assert address.startswith(
            ("data:image/png;base64,", "#", "figures/", "tables/", "manifest.", "explore.html")
        )
        path = address.partition("#")[0]
        assert address.startswith(("data:", "#")) or (grid_report / path).is_file()


def test_a_number_leads_to_the_runs_behind_it_and_they_to_the_store_s_ui(
    lab: Lab, grid: str, grid_report: Path
) -> None:
    page = (grid_report / "index.html").read_text()
    runs = read_study(lab.store, grid).used.set_index(["activation", "lr"])
    mean, address = links(page)[0]
    behind = runs_at(page, address)
    assert mean == f"{100 * runs.loc[('relu', 0.001), 'final'].mean():.2f}"
    experiment = lab.store.find_experiment(grid).experiment_id
    assert behind == [
        f"http://127.0.0.1:5000/#/experiments/{experiment}/runs/{run_id}"
        for run_id in runs.loc[("relu", 0.001), "run_id"]
    ]
    assert all(runs_at(page, address) or address == "#runs" for _, address in links(page))


def links(page: str) -> list[tuple[str, str]]:
    """The numbers of a page's tables, each with where it leads."""
    found = re.findall(r'<a class="behind" href="([^"]*)">([^<]*)</a>', page)
    return [(text, address) for address, text in found]


def runs_at(page: str, address: str) -> list[str]:
    """The addresses in MLflow's UI of the runs that are listed under an address of the page."""
    body = re.findall(rf'<tbody class="cell" id="{address[1:]}">(.*?)</tbody>', page, re.DOTALL)
    return [link for text in body for link in re.findall(r'href="(http[^"]*)"', text)]


def test_every_figure_has_an_alternative_text(grid_report: Path) -> None:
    page = (grid_report / "index.html").read_text()
    assert page.count("<img ") == len(re.findall(r'<img [^>]*alt="[^"]{20,}"', page)) == 7


@pytest.mark.usefixtures("unrendered")
def test_the_newest_of_two_runs_counts_and_the_other_is_listed(
    lab: Lab, repeated: tuple[str, str, str], tmp_path: Path
) -> None:
    study, older, newer = repeated
    folder = build(lab, study, tmp_path)
    runs = {
        run["run_id"]: run for run in json.loads((folder / "manifest.json").read_text())["runs"]
    }
    assert runs[newer]["used"]
    assert not runs[older]["used"]
    assert f"superseded by {newer}" in (folder / "index.html").read_text()
    assert summary(folder)["n"].tolist() == [1]


def test_a_missing_point_is_named_and_markup_in_its_reason_is_text(
    broken: tuple[str, str], broken_report: Path
) -> None:
    _, failed = broken
    folder = broken_report
    page = (folder / "index.html").read_text()
    assert "1 of its 2 points has no finished run" in page
    assert "elu at lr 0.01: seed 0" in page
    assert "&lt;script&gt;alert(" in page
    assert "<script" not in page
    assert "<script" not in (folder / "tables" / "runs.md").read_text()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["missing_points"] == [
        {"variant": "", "activation": "elu", "lr": 0.01, "seed": 0}
    ]
    (left_out,) = [run for run in manifest["runs"] if not run["used"]]
    assert left_out["run_id"] == failed


def test_one_seed_gives_no_interval(broken_report: Path) -> None:
    assert summary(broken_report)["final_low"].tolist() == [""]
    page = (broken_report / "index.html").read_text()
    assert "none: one run" in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


@pytest.mark.usefixtures("unrendered")
def test_runs_with_different_epochs_are_never_averaged(
    lab: Lab, epochs_vary: str, tmp_path: Path
) -> None:
    folder = build(lab, epochs_vary, tmp_path)
    cells = summary(folder)
    assert cells["variant"].tolist() == ["train.epochs=1", "train.epochs=2"]
    assert cells["n"].tolist() == [1, 1]
    assert (folder / "figures" / "trajectories_relu_variant2.png").exists()
    assert "train.epochs=2" in (folder / "index.html").read_text()


@pytest.mark.usefixtures("unrendered")
def test_a_diverged_run_is_counted_and_not_averaged(
    lab: Lab, diverged: str, tmp_path: Path
) -> None:
    folder = build(lab, diverged, tmp_path, "report.seed=2")
    (cell,) = summary(folder).to_dict("records")
    assert cell["n"] == 2
    assert cell["diverged"] == 1
    assert "1 diverged" in (folder / "index.html").read_text()
    runs = pd.read_csv(folder / "tables" / "runs.csv")
    assert runs.loc[runs["outcome"] != "diverged", "final"].mean() == pytest.approx(
        cell["final_mean"]
    )
    assert "ARGS=&#34;report.seed=2&#34;" in (folder / "index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["study=nothing"], 1, "study=nothing: the store"),
        (["study=unfinished"], 1, "study=unfinished: no finished runs (1 RUNNING)"),
        (
            ["study=grid", "report.seed=99"],
            1,
            "report.seed=99: no finished run has this seed",
        ),
        (["study=../grid"], 2, "study"),
        (["report.seed=-1"], 2, "report.seed=-1"),
        (["report.seed=1.5"], 2, "report.seed=1.5"),
        (["colour=blue"], 2, "colour: unknown setting"),
        (["+colour=blue"], 2, "colour"),
        (["study=[1,"], 2, "study=[1,"),
        (["tracking=elsewhere"], 2, "tracking/elsewhere"),
        (
            ["verdicts"],
            2,
            "verdicts: unknown command. Give setting=value, or one",
        ),
        (
            ["figure", "nothing", "study=grid"],
            2,
            f"'nothing': not in the report of grid. Choose one of {SOME_FIGURES}",
        ),
        (
            ["figure", "study=grid"],
            2,
            f"'': not in the report of grid. Choose one of {SOME_FIGURES}",
        ),
        (["figure", "final_accuracy", "study=nothing"], 1, "study=nothing: the store"),
        (
            ["figure", "final_accuracy", "study=broken", "report.folder=/dev/null"],
            1,
            "cannot write /dev/null/broken",
        ),
        (["article"], 1, "No study of the article has a finished run"),
        (["study=broken", "report.folder=/dev/null"], 1, "cannot write /dev/null/broken"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    grid: str,
    broken: tuple[str, str],
    unfinished: str,
    refused: Refusal,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    assert message in refused(arguments, code)


def test_a_wrong_word_is_told_before_anything_slow_is_imported() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "actscope.report", "colour=blue"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2
    imported = {line.split("|")[-1].strip() for line in told.stderr.splitlines()}
    assert "actscope.report.settings" in imported
    assert imported.isdisjoint({"torch", "mlflow", "pandas", "matplotlib", "plotly"})
