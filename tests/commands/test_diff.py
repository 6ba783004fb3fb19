"""Two runs or two studies side by side."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from actscope.analysis.side_by_side import Difference, Side, differences, read_side
from actscope.commands.main import main
from actscope.config import Tracking
from actscope.sweep.resources import Resources
from actscope.sweep.results import Done
from actscope.sweep.runner import run_sweep
from actscope.tracking import open_store
from tests.support.making import ELU, make_point

POINT = make_point(study="first", hidden=(4,), epochs=1, every="epoch")
OTHER = replace(POINT, study="second", lr=0.02)
WORSE = replace(OTHER, activation=ELU)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """The address of a store with two studies, and the ids of the first run of each."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/mlruns/mlflow.db"
    ids = []
    for name, points in (("s1", [POINT]), ("s2", [OTHER, WORSE])):
        results = run_sweep(points, Tracking(uri), name, Resources(0, 20), Console(quiet=True))
        first = results[points[0]]
        assert isinstance(first, Done)
        assert first.run_id is not None
        ids.append(first.run_id)
    return uri, *ids


def test_names_of_both_sides_are_compared_in_order():
    one = Side("a", {"lr": "0.1", "seed": "0"}, {"commit": "x"}, {}, {"accuracy": "0.9"})
    other = Side("b", {"lr": "0.1", "decay": "0.5"}, {"commit": "y"}, {"torch": "2"}, {})
    assert differences(one, other) == [
        Difference("settings", "seed", "0", None),
        Difference("settings", "decay", None, "0.5"),
        Difference("code", "commit", "x", "y"),
        Difference("packages", "torch", None, "2"),
        Difference("numbers", "accuracy", "0.9", None),
    ]
    assert differences(one, one) == []


def test_runs_differ_in_their_settings_and_numbers(stored, capsys):
    uri, first, second = stored
    assert main(["diff", first, second, f"tracking.uri={uri}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["first"], found["second"]) == (
        "first: relu lr=0.01 seed=0",
        "second: relu lr=0.02 seed=0",
    )
    settings = [each for each in found["differences"] if each["part"] == "settings"]
    assert settings == [
        {"part": "settings", "name": "study", "first": "first", "second": "second"},
        {"part": "settings", "name": "lr", "first": "0.01", "second": "0.02"},
    ]
    assert {each["part"] for each in found["differences"]} == {"settings", "numbers"}


def test_studies_differ_in_their_grids_and_cells(stored):
    store = open_store(Tracking(stored[0]))
    first, second = read_side(store, "first"), read_side(store, "second")
    assert first.packages == second.packages
    assert first.packages["torch"]
    found = {each.name: (each.first, each.second) for each in differences(first, second)}
    assert found["lr"] == ("0.01", "0.02")
    assert found["activation"] == ("relu", "relu | elu")
    (text,) = first.numbers.values()
    assert text.endswith("of 1 learned")
    assert list(second.numbers) == ["relu lr=0.02", "elu lr=0.02"]


def test_the_terminal_shows_a_table_for_each_part(stored, capsys):
    uri, first, second = stored
    assert main(["diff", first, second, f"tracking.uri={uri}"]) == 0
    said = capsys.readouterr().out
    assert said.index("settings") < said.index("numbers")
    assert main(["diff", first, first, f"tracking.uri={uri}"]) == 0
    assert capsys.readouterr().out == "Settings, code, packages and numbers are the same.\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["first"], "diff first: needs two names. Give the ids of two runs, or the names of two"),
        (["a", "b", "c"], "diff a b c: needs two names"),
        (["first", "third"], "third: the store"),
        (["first", "second", "study=x"], "study: unknown setting. Choose one of tracking, json."),
    ],
)
def test_wrong_names_are_refused(stored, capsys, words, problem):
    assert main(["diff", *words, f"tracking.uri={stored[0]}"]) in (1, 2)
    said = capsys.readouterr().err
    assert problem in said
    assert len(said.splitlines()) == 1


def test_status_as_json(stored, capsys):
    assert main(["status", "study=second", f"tracking.uri={stored[0]}", "--json"]) == 0
    (study,) = json.loads(capsys.readouterr().out)["studies"]
    assert (study["study"], study["sweep"], study["sweep_status"]) == (
        "second",
        "sweep s2",
        "finished",
    )
    assert [(p["name"], p["state"], p["changed"]) for p in study["points"]] == [
        ("relu lr=0.02 seed=0", "finished", []),
        ("elu lr=0.02 seed=0", "finished", []),
    ]
    assert study["points"][0]["settings"]["train.epochs"] == 1
    assert study["points"][0]["run_id"] == stored[2]


def test_claims_as_json(stored, capsys):
    assert main(["report", "claims", "--json", f"tracking.uri={stored[0]}"]) == 0
    claims = json.loads(capsys.readouterr().out)["claims"]
    by_id = {claim["id"]: claim for claim in claims}
    assert by_id["F1"]["verdict"].endswith("reproduced")
    assert by_id["A1"]["study"] == "article_accuracy"
    assert by_id["A1"]["verdict"].endswith("not run")
    assert main(["report", "--json", f"tracking.uri={stored[0]}"]) == 2
    assert "--json: works only with the command claims" in capsys.readouterr().err
