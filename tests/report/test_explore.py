import base64
import json
import re
import zlib
from dataclasses import replace
from typing import Any

import pytest

from actscope import tracking
from actscope.analysis import frames
from actscope.analysis.frames import StudyRuns
from actscope.artifacts.unit_fates import unit_fates
from actscope.report.explorer import explore
from tests.support.studies import MARKUP, Lab, explorer_of


def page_of(lab: Lab, **studies: StudyRuns) -> str:
    return explorer_of(lab.store, "a title", studies).decode()


def index_of(page: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="index">(.*)</script>', page)
    return json.loads(text)


def series_of(page: str) -> list[Any]:
    """The series of each run, in the order of the index."""
    packed = re.findall(r'<script type="text/plain" id="run-\d+">(.*)</script>', page)
    return [json.loads(zlib.decompress(base64.b64decode(text))) for text in packed]


def alone(lab: Lab, study: str) -> str:
    return page_of(lab, **{"": frames.read_study(lab.store, study)})


def test_every_run_that_counts_is_there_with_its_series(lab: Lab, grid: str) -> None:
    page = alone(lab, grid)
    runs = index_of(page)["runs"]
    assert [(run["activation"], run["lr"], run["seed"]) for run in runs] == [
        (activation, lr, seed)
        for activation in ("relu", "elu")
        for lr in ("0.001", "0.01")
        for seed in ("0", "1")
    ]
    assert len(series_of(page)) == 8
    assert {run["group"] for run in runs} == {""}
    assert {run["learned"] for run in runs} == {"2 of 2"}


def test_a_superseded_run_is_not_there(lab: Lab, repeated: tuple[str, str, str]) -> None:
    assert len(index_of(alone(lab, repeated[0]))["runs"]) == 1


def test_variants_and_studies_are_groups(lab: Lab, grid: str, epochs_vary: str) -> None:
    studies = {name: frames.read_study(lab.store, name) for name in (grid, epochs_vary)}
    index = index_of(page_of(lab, **studies))
    groups = [run["group"] for run in index["runs"]]
    assert groups == [
        *(["grid"] * 8),
        "epochs_vary train.epochs=1",
        "epochs_vary train.epochs=2",
    ]
    assert index["factors"] == {"train.epochs": "epochs"}
    assert [(run["variant"], run["factors"]) for run in index["runs"][7:]] == [
        ("grid", {}),
        ("epochs_vary", {"train.epochs": "1"}),
        ("epochs_vary", {"train.epochs": "2"}),
    ]


def test_units_have_the_fates_that_dying_finds(lab: Lab, grid: str) -> None:
    runs = frames.read_study(lab.store, grid)
    run_id = runs.used["run_id"].iloc[3]
    fates = unit_fates(
        tracking.read_trajectory(lab.store, grid, run_id),
        tracking.read_probe(lab.store, grid, run_id),
    )
    since = series_of(alone(lab, grid))[3]["layers"]["1"]["since"]
    for verdict, steps in since.items():
        assert steps == fates.loc[fates["layer"] == 1, f"{verdict}_since"].tolist()


def test_units_of_a_run_that_diverged_are_not_judged(lab: Lab, diverged: str) -> None:
    page = alone(lab, diverged)
    runs = index_of(page)["runs"]
    judged = ["flat" in series["layers"]["1"]["since"] for series in series_of(page)]
    assert [run["outcome"] == "diverged" for run in runs] == [not one for one in judged]
    assert runs[-1]["final"] is None


def test_markup_from_a_store_is_text(lab: Lab, repeated: tuple[str, str, str]) -> None:
    runs = frames.read_study(lab.store, repeated[0])
    named = replace(runs, runs=runs.runs.assign(activation=MARKUP, variant=MARKUP))
    page = explorer_of(lab.store, MARKUP, {"": named}).decode()
    assert "<script>alert(" not in page
    (run,) = index_of(page)["runs"]
    assert run["activation"] == run["group"] == MARKUP


def test_a_page_with_scripts_may_load_nothing(lab: Lab, repeated: tuple[str, str, str]) -> None:
    page = alone(lab, repeated[0])
    assert "default-src 'none'" in page
    assert not re.findall(r"<script[^>]+src=|<link", page)


@pytest.mark.parametrize(
    ("label", "variant", "address"),
    [
        ("", "", "explore.html#a=relu/0.0001/9223372036854775807"),
        ("", "a=[1, 2]", "explore.html#a=relu/0.0001/9223372036854775807/a%3D%5B1%2C%202%5D"),
        ("dying", "", "explore.html#a=relu/0.0001/9223372036854775807/dying"),
        ("dying", "n=2", "explore.html#a=relu/0.0001/9223372036854775807/dying%20n%3D2"),
    ],
)
def test_a_run_has_an_address(label: str, variant: str, address: str) -> None:
    run = {"activation": "relu", "lr": 1e-4, "seed": 2**63 - 1, "variant": variant}
    assert explore.address(label, run) == address


def test_an_address_escapes_what_would_divide_it() -> None:
    run = {"activation": "a/b&c", "lr": 1.0, "seed": 0, "variant": ""}
    assert explore.address("", run) == "explore.html#a=a%2Fb%26c/1/0"
