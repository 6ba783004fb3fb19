"""What the methods section says of the engine is what the engine does."""

import inspect

import numpy as np
import pandas as pd
import pytest
from torch.nn import functional

from actscope.analysis.frames import StudyRuns, choose_runs
from actscope.config import DataSource
from actscope.engine.data import load_data
from actscope.engine.initial_weights import initial_std
from actscope.report.text import methods
from tests.analysis.test_frames import row
from tests.support.making import make_point


def runs(**settings: str) -> StudyRuns:
    return choose_runs("s", pd.DataFrame([row("a", **settings)]))


def test_the_size_and_scaling_of_the_digits_are_those_of_the_data() -> None:
    data, stated = load_data(DataSource("digits")), methods.DATA_SETS["digits"]
    assert (len(data.train_x), len(data.test_x)) == (stated.train, stated.test)
    assert data.train_x.max() == 1
    levels = data.train_x.unique() * stated.brightest
    assert levels.tolist() == list(range(stated.brightest + 1))


def test_the_test_examples_are_stratified_by_class() -> None:
    data = load_data(DataSource("digits"))
    train, test = (np.bincount(y) / len(y) for y in (data.train_y, data.test_y))
    assert test == pytest.approx(train, abs=1.5 / len(data.test_y))


def test_the_constants_of_batch_normalisation_are_pytorchs() -> None:
    defaults = inspect.signature(functional.batch_norm).parameters
    assert defaults["eps"].default == 0.00001
    assert "eps 0.00001;" in methods.BATCH_NORM
    assert f"momentum {defaults['momentum'].default}." in methods.BATCH_NORM


@pytest.mark.parametrize(
    ("name", "variance"), [("he", 2 / 8), ("lecun", 1 / 8), ("xavier", 2 / 10)]
)
def test_initial_weights_have_the_variance_that_is_stated(name: str, variance: float) -> None:
    assert initial_std(make_point(init=name), 8, 2) ** 2 == pytest.approx(variance)
    formula = methods.INITIAL_WEIGHTS[name].removeprefix("normal with variance ")
    stated = formula.replace("inputs", "8").replace("outputs", "2").strip()
    assert eval(stated) == pytest.approx(variance)  # noqa: S307 - a formula of this project


def test_it_tells_what_settings_change_of_the_data() -> None:
    assert methods.methods(runs())["data_changes"] == []
    changed = {"data.train_size": "500", "data.noise": "0.3", "data.scale": "standard"}
    size, noise, scale = methods.methods(runs(**changed))["data_changes"]
    assert size.startswith("Training examples that are used: 500 of those that are not held out")
    assert noise.endswith("its amplitude is 0.3 of the brightest pixel.")
    assert scale.startswith("The mean of all inputs of the training examples that are used is ")
    both = choose_runs("s", pd.DataFrame([row("a"), row("b", **changed)]))
    size, noise, scale = methods.methods(both)["data_changes"]
    assert "used: 500 or all of those" in size
    assert "is 0.0 or 0.3 of" in noise
    assert scale.startswith("If data.scale is standard, the mean")


def test_arguments_of_ones_own_network_are_not_read_as_settings_of_the_built_in_one() -> None:
    own = {"model._target_": "my.net.Net", "model.hidden": "64", "model.init": "small"}
    said = methods.methods(runs(**own))
    assert said["networks"] == ["my.net.Net"]
    assert (said["hidden"], said["init_formula"]) == ("", "")
    built_in = row("b", **{"model.hidden": "[16]", "model.init": "he"})
    both = methods.methods(choose_runs("s", pd.DataFrame([row("a", **own), built_in])))
    assert (both["networks"], both["hidden"], both["init"]) == (["my.net.Net"], "[16]", "he")


def test_only_sgd_has_a_momentum() -> None:
    said = [
        methods.methods(runs(**{"train.optimizer": name, "train.momentum": "0.9"}))["momentum"]
        for name in ("sgd", "adam", "adamw")
    ]
    assert said == ["0.9", "", ""]


def test_it_tells_the_size_of_mnist1d() -> None:
    said = methods.methods(runs(data="mnist1d"))
    assert said["test_sizes"] == "1,000 examples, so it changes in steps of 0.1 points"
    (data,) = said["data_sets"]
    assert data == (
        "mnist1d: 40 features as their authors' package generates them; 4,000 training and 1,000 "
        "test examples, split by their authors."
    )


def test_it_tells_the_examples_behind_an_accuracy_and_batch_normalisation_where_it_is() -> None:
    said = methods.methods(runs(**{"model.init": "he", "activation.batch_norm": "True"}))
    assert said["test_sizes"] == "360 examples, so it changes in steps of 0.28 points"
    (data,) = said["data_sets"]
    assert data.startswith("digits: pixels of 0 to 16 are divided by 16; 1,437 training and 360 ")
    assert said["batch_norm"] == methods.BATCH_NORM
    assert methods.methods(runs())["batch_norm"] == ""
