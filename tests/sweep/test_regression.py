"""A study with numbers as targets, from its sweep to its report, and tuned."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from actscope import tracking
from actscope.analysis.frames import read_study
from actscope.analysis.searched_study import SearchedStudy
from actscope.analysis.tuned_study import read_tuned
from actscope.config import DataSource, OutcomeRule, Point, Tracking, Train
from actscope.engine.result import Outcome
from actscope.errors import ConfigError
from actscope.metric import R2, RMSE
from actscope.network_settings import OwnNetwork
from actscope.report.cli import main as report
from actscope.sweep.grid import check_grid
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done
from actscope.sweep.runner import run_sweep
from actscope.sweep.tuned_sweep import run_tuned
from actscope.tuning_settings import Search, Tuning
from tests.support.making import ELU, RELU, make_point
from tests.support.studies import without_rendering

HERE = Resources(0, None)
HELD_OUT = DataSource("tests.support.own_data.targets", validation=9)
# R² is better where it is higher, as accuracy is, which test_tuned_sweep.py tunes by.
METRICS = [pytest.param(R2, marks=pytest.mark.slow), RMSE]
RULES = Tuning(rates=(0.02, 0.08, 0.32), seeds=(7, 8), evaluation_seeds=(1, 2), extensions=0)


def regression(metric: str | None = None, epochs: int = 20, **changes: object) -> Point:
    point = replace(
        make_point(ELU, lr=0.2, every="epoch", study="numbers"),
        model=OwnNetwork("actscope.engine.autoencoder.Autoencoder", (("hidden", (5,)),)),
        data=DataSource("tests.support.own_data.targets"),
        train=Train(epochs, 10, "mean", loss="mse", metric=metric),
    )
    return replace(point, **changes)  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Path) -> Tracking:
    return Tracking(f"sqlite:///{tmp_path}/mlruns/mlflow.db")


def test_a_sweep_and_its_report_name_the_metric(settings: Tracking, tmp_path: Path) -> None:
    points = [
        regression(activation=activation, lr=lr, seed=seed)
        for activation in (ELU, RELU)
        for lr in (1e-6, 0.2)
        for seed in (0, 1)
    ]
    screen = io.StringIO()
    results = run_sweep(points, settings, "s1", HERE, Console(file=screen, width=100))
    assert "Final test R²: mean and standard deviation" in screen.getvalue()
    store = tracking.open_store(settings)
    runs = read_study(store, "numbers")
    assert runs.metric is R2
    for point, result in results.items():
        assert isinstance(result, Done)
        assert (result.outcome is Outcome.LEARNED) == (point.lr > 0.1)
        row = runs.used.set_index("run_id").loc[result.run_id]
        assert row["final"] == pytest.approx(result.final)
        own = runs.metrics.loc[result.run_id]
        assert own["test/r2_final"] == pytest.approx(result.final)
        assert own["test/rmse_best"] <= own["test/rmse_final"]
    tags = store.find_experiment("numbers").tags
    assert "metrics.`test/r2_final`" in tags["mlflow.sharedViewState.actscope-runs"]
    assert "accuracy" not in tags["mlflow.note.content"]
    words = [f"tracking.uri={settings.uri}", f"report.folder={tmp_path / 'r'}", "study=numbers"]
    with without_rendering():
        assert report(["build", *words, "report.processes=1"]) == 0
    folder = tmp_path / "r" / "numbers"
    page = (folder / "index.html").read_text()
    assert "Final test R²: mean of the runs that learned" in page
    assert "test examples" not in page.partition("Methods</h2>")[0]
    assert "accuracy" not in page.partition("Runs</h2>")[0].lower()
    assert report(["figure", "final_r2", *words]) == 0
    assert (folder / "figures" / "final_r2.png").read_bytes()
    header = (folder / "tables" / "summary.md").read_text().splitlines()[0]
    assert "| n | mean | sd | 95 % t-interval over seeds |" in header


def test_finished_points_keep_their_metric(settings: Tracking) -> None:
    point = regression("rmse", epochs=2)
    (first,) = run_sweep([point], settings, "s1", HERE, Console(quiet=True)).values()
    (second,) = run_sweep([point], settings, "s2", HERE, Console(quiet=True)).values()
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert second.is_earlier
    assert second.final == pytest.approx(first.final)


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("metric", METRICS)
def test_a_rate_is_tuned_by_the_metric(settings: Tracking, tmp_path: Path, metric) -> None:
    cell = regression(metric.name, data=HELD_OUT)
    screen = io.StringIO()
    console = Console(file=screen, width=120)
    (state,) = run_tuned([cell], RULES, settings, "s1", HERE, console)
    assert f"chosen by validation {metric.words}" in " ".join(screen.getvalue().split())
    assert state.stage == "done"
    assert state.plan.choice is not None
    kept = [score for score in state.plan.choice.scores if score.lost == 0]
    gains = {score.rate: metric.gain(score.mean, 0.0) for score in kept}
    best = max(gains, key=lambda rate: gains[rate])
    chosen = state.plan.choice.rate
    assert chosen is not None
    assert chosen <= best
    study = read_tuned(tracking.locate_store(settings), "numbers")
    assert study.metric is metric
    assert study.choices["lr"].tolist() == [chosen]
    assert study.judged["mean"].notna().all()
    words = [f"tracking.uri={settings.uri}", f"report.folder={tmp_path / 'r'}", "study=numbers"]
    assert report(["build", *words, "report.processes=1"]) == 0
    page = (tmp_path / "r" / "numbers" / "index.html").read_text()
    assert f"has the {metric.best_word} validation {metric.words}, " in page
    assert (tmp_path / "r" / "numbers" / "figures" / f"tuned_{metric.name}.png").exists()


SEARCH = Search(
    {"lr": {"low": 0.02, "high": 0.5, "log": True}},
    trials=4,
    seeds=(7, 8),
    evaluation_seeds=(1, 2),
    batch=2,
)


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("metric", METRICS)
def test_settings_are_searched_by_the_metric(settings: Tracking, tmp_path: Path, metric) -> None:
    # So few epochs teach little.
    cell = regression(metric.name, epochs=10, data=HELD_OUT, outcome=OutcomeRule(0.1))
    (state,) = run_tuned([cell], SEARCH, settings, "s1", HERE, Console(quiet=True))
    assert state.stage == "done"
    study = read_tuned(tracking.locate_store(settings), "numbers")
    assert isinstance(study, SearchedStudy)
    finished = study.trials.loc[study.trials["state"] == "finished", "validation"]
    best = finished.min() if metric is RMSE else finished.max()
    assert study.trials["best"].iloc[-1] == best
    assert study.choices["validation"].tolist() == [best]
    assert state.plan.choice is not None
    assert state.plan.choice.scores[0].mean == best
    words = [f"tracking.uri={settings.uri}", f"report.folder={tmp_path / 'r'}", "study=numbers"]
    assert report(["build", *words, "report.processes=1"]) == 0
    page = (tmp_path / "r" / "numbers" / "index.html").read_text()
    assert f"The {metric.best_word} mean validation {metric.words} of a finished trial so" in page
    assert "accuracy" not in page.partition("Runs</h2>")[0].lower()


def test_points_of_different_metrics_are_refused() -> None:
    with pytest.raises(ConfigError, match="judged by different metrics, R² and RMSE"):
        check_grid([regression(), regression("rmse")])
