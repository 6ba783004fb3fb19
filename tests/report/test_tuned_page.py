import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from actscope import tracking
from actscope.analysis.signal import signal_by_layer
from actscope.analysis.tuned_study import is_tuned, read_tuned
from actscope.config import Activation, DataSource, Point, Tracking
from actscope.network_settings import Model
from actscope.report.cli import main
from actscope.report.pages.overview import tuned_map
from actscope.report.tables.files import DASH
from actscope.report.tables.tuned import judged_table
from actscope.report.text.tuned import answer
from actscope.sweep.resources import Resources
from actscope.sweep.tuned_sweep import run_tuned
from actscope.tracking import Store
from actscope.tuning_settings import Tuning
from tests.report.test_explore import index_of
from tests.support.making import ELU, RELU, make_point

STUDY = "tuned"
RULES = Tuning(
    rates=(0.0016, 0.0064, 0.0256), seeds=(100, 101), evaluation_seeds=(0, 1), extensions=1
)
TABLES = {"choices", "judged", "leads", "slopes", "shared_rate", "budget", "signal"}
TABLES |= {"trials", "evaluations"}


def tune(folder: Path) -> Store:
    """A store with a real tuned study: two activations at two depths."""
    settings = Tracking(f"sqlite:///{folder}/mlflow.db", patch=False)

    def cell(activation: Activation, depth: int) -> Point:
        point = make_point(
            activation, study=STUDY, epochs=1, batch_size=100, every="epoch", learned_from=0.01
        )
        return replace(point, model=Model((8,) * depth), data=DataSource("digits", validation=0.2))

    cells = [cell(activation, depth) for activation in (RELU, ELU) for depth in (1, 2)]
    run_tuned(cells, RULES, settings, "sweep", Resources(workers=0), Console(quiet=True))
    return tracking.open_store(settings)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tune(tmp_path_factory.mktemp("tuned"))


def build(store: Store, folder: Path) -> dict[str, bytes]:
    words = [f"study={STUDY}", f"tracking.uri={store.uri}", f"report.folder={folder}"]
    assert main([*words, "report.attach=false"]) == 0
    made = folder / STUDY
    return {str(p.relative_to(made)): p.read_bytes() for p in made.rglob("*") if p.is_file()}


@pytest.mark.usefixtures("unrendered")
def test_a_tuned_study_has_a_page_of_its_own(store: Store, tmp_path: Path) -> None:
    files = build(store, tmp_path / "one")
    assert {Path(name).stem for name in files if name.endswith(".csv")} == TABLES
    figures = {Path(name).stem for name in files if name.endswith(".png")}
    of_rates = {"accuracy_by_rate", "trainability", "budget"}
    for_slides = {"tuned_accuracy_1920", "leads_1920", "trainability_1920"}
    assert figures == {"tuned_accuracy", "leads", "signal", *of_rates, *for_slides}
    page = files["index.html"].decode()
    for words in ("Fresh seeds, 0, 1,", "the rates 0.0016, 0.0064, 0.0256", "of width 8, 1 or 2"):
        assert words in page
    explored = index_of(files["explore.html"].decode())["runs"]
    assert [run["seed"] for run in explored] == ["0"] * (4 * 2)  # of 2 seeds, 4 cells, 2 rates
    judges, trials = json.loads(files["manifest.json"])["studies"]
    assert (judges["points_in_grid"], judges["missing_points"]) == (4 * 2 * 2, [])
    assert (judges["study"], trials["study"]) == (STUDY, f"{STUDY}.tuning")
    assert build(store, tmp_path / "two") == files


@pytest.mark.usefixtures("unrendered")
def test_one_figure_of_a_tuned_study_can_be_written(store: Store, tmp_path: Path) -> None:
    words = [f"study={STUDY}", f"tracking.uri={store.uri}", f"report.folder={tmp_path}"]
    assert main(["figure", "budget", *words]) == 0
    assert (tmp_path / STUDY / "figures" / "budget.png").exists()


@pytest.mark.parametrize("command", [[], ["figure", "budget"]])
def test_a_tuned_study_has_no_other_axes(
    store: Store, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    words = [f"study={STUDY}", f"tracking.uri={store.uri}", "report.axes=[activation,model.depth]"]
    assert main([*command, *words]) == 2
    assert capsys.readouterr().err == (
        "actscope: report.axes=[activation,model.depth]: study tuned is tuned, so each of its "
        "cells has a rate of its own. Remove report.axes.\n"
    )


def test_the_tables_agree_with_the_runs(store: Store) -> None:
    assert is_tuned(store, STUDY)
    assert not is_tuned(store, f"{STUDY}.tuning")
    study = read_tuned(store, STUDY)
    assert study.rules == (RULES,)
    assert study.factors.names == ("model.depth",)
    assert study.choices["activation"].tolist() == ["relu", "elu"] * 2
    assert study.judged["runs"].tolist() == [2] * 8
    found = tracking.read_runs(store, f"{STUDY}.tuning")
    assert len(study.trial_runs) == len(found) == study.choices["trials"].sum()
    assert set(study.trial_runs["chance"]) == {0.1}
    assert set(found["classes"]) == {"10"}
    first = study.judged.iloc[0]
    runs = tracking.read_runs(store, STUDY)
    own = runs[
        (runs["params.activation"] == "relu")
        & (runs["params.model.hidden"] == "[8]")
        & (runs["params.lr"].astype(float) == first["lr"])
    ]
    assert first["mean"] == pytest.approx(own["metrics.test/accuracy_final"].mean())


def test_the_signal_is_that_of_the_deepest_networks_at_their_start(store: Store) -> None:
    signal = signal_by_layer(store, read_tuned(store, STUDY))
    assert signal["layer"].tolist() == [1, 2] * 2
    assert set(signal["n"]) == {2}
    runs = tracking.read_runs(store, STUDY)
    deep = runs[(runs["params.model.hidden"] == "[8, 8]") & (runs["params.activation"] == "elu")]
    own = deep.drop_duplicates("params.seed")["run_id"]
    starts = [tracking.read_layers(store, STUDY, run_id).query("step == 0") for run_id in own]
    expected = sum(start["mean_square"].to_numpy(float)[:2] for start in starts) / 2
    found = signal.loc[signal["activation"] == "elu", "mean_square"]
    np.testing.assert_allclose(found, expected)


def test_a_cell_without_runs_is_not_one_in_which_none_learned(store: Store) -> None:
    study = read_tuned(store, STUDY)
    judged = study.judged.assign(learned=0)
    judged["runs"] = [0, *judged["runs"].iloc[1:]]
    study.__dict__["judged"] = judged  # a cached property
    said = judged_table(study).readable.iloc[:, -1].tolist()
    assert said == ["none: no run yet", *["none: no run learned"] * 7]


def test_the_answer_has_at_most_four_sentences_and_their_numbers(store: Store) -> None:
    study = read_tuned(store, STUDY)
    said = answer(study)
    assert len(said) <= 4
    assert said[0].startswith("With depth = 2, ")
    assert said[-1] == (
        "Each mean is over n = 2 fresh seeds; 0 of the 16 runs that judge were lost. No verdict: 0 "
        "of 4 cells."
    )


def test_a_lead_above_zero_is_named(store: Store) -> None:
    study = read_tuned(store, STUDY)
    leads = pd.DataFrame(
        {
            "variant": "",
            "model.depth": [1, 2, 4, 1, 2, 4],
            "activation": ["elu"] * 3 + ["tanh"] * 3,
            "rival": "relu",
            "mean": [0.0, 0.01, 0.02, -0.01, -0.01, 0.0],
            "low": [-0.01, 0.005, 0.01, -0.02, -0.02, -0.01],
            "high": [0.01, 0.015, 0.03, 0.0, 0.0, 0.01],
        }
    )
    study.__dict__["leads"] = leads  # a cached property
    leader, over_depth, *_ = answer(study)
    assert leader == (
        "With depth = 4, 1 of 2 activations beat relu: elu by +2.00 points (+1.00 to +3.00); in "
        "brackets the 95 % t-interval over seeds."
    )
    study.__dict__["choices"] = pd.concat(
        [study.choices, study.choices.replace({"activation": {"elu": "leaky_relu"}})]
    )
    assert "1 of 2 activations beat the better of relu and leaky_relu: elu" in answer(study)[0]
    assert over_depth == (
        "The interval of the lead is above 0 from depth 2 on for elu; at no depth for tanh."
    )


def test_the_map_has_the_best_activation_of_each_depth_and_says_why_a_cell_has_no_number(
    store: Store,
) -> None:
    study = read_tuned(store, STUDY)
    judged = study.judged.assign(mean=0.5, runs=10, lost=0)
    judged.loc[judged["activation"] == "elu", ["mean", "lost"]] = [0.75, 2]
    is_deep_relu = (judged["activation"] == "relu") & (judged["model.depth"] == 2)
    choices = study.choices.assign(flag="")
    is_unchosen = (choices["activation"] == "relu") & (choices["model.depth"] == 2)
    choices.loc[is_unchosen, "flag"] = "no rate learns"
    found = tuned_map(choices, judged[~is_deep_relu], study.factors)
    assert found is not None
    assert (found["of"], found["heads"]) == ("depth", ["1", "2"])
    shown = {
        name: [(cell["number"], cell["told"], cell["tone"]) for cell in row]
        for name, row in found["rows"]
    }
    elu = ("75.00", "★ best, ✗ 2 of 10 lost", "mixed")
    assert shown == {
        "relu": [("50.00", "", ""), (DASH, "✗ no rate learns", "bad")],
        "elu": [elu, elu],
    }
