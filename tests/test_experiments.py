"""The studies in conf/experiment are whole: each composes, and its default grid is what it says."""

import math

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from actscope.analysis.frames import ARTICLE_SEED
from actscope.parsing import parse_point
from actscope.project import CONF
from tests.support.fixtures import Compose

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
POINTS = {
    "article_dying": 5 * 2 * 20,
    "article_width": 4 * 5 * 2,
    "article_accuracy": 5 * 20,
    "edge": 14 * 20 * 5,
    "lenet": 4 * 5 * 3,
    "autoencoder": 4 * 4 * 3,
    "residual": 3 * 3 * 3,
    "transformer": 3 * 3 * 3,
    # Cells: these studies choose rates and seeds themselves.
    "depth": 7 * 6 * 2,
    "depth_batch": 4 * 2,
    "depth_init": 4 * 3 * 3,
    "depth_inputs": 7 * 3 * 2,
    "depth_mnist1d": 7 * 3,
    "depth_noise": 7 * 3 * 2,
    "depth_small": 7 * 3,
}

DATA = {
    "depth_mnist1d": "mnist1d",
    "autoencoder": "actscope.engine.autoencoder.digits",
    "residual": "actscope.engine.shape_images.load",
    "transformer": "actscope.engine.token_sequences.load",
}


def grid_of(experiment: str) -> dict[str, list[str]]:
    config = OmegaConf.load(CONF / "experiment" / f"{experiment}.yaml")
    parse = OverridesParser.create().parse_override
    axes = {key: parse(f"{key}={value}") for key, value in config.hydra.sweeper.params.items()}
    return {
        key: list(axis.sweep_string_iterator())
        if axis.is_sweep_override()
        else [axis.get_value_element_as_str()]
        for key, axis in axes.items()
    }


@pytest.mark.parametrize(
    ("words", "axes"),
    [([], {"activation", "lr", "seed"}), (["hydra/sweeper=basic"], set())],
)
def test_the_default_grid_is_no_other_sweepers(words: list[str], axes: set[str]) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        hydra = hydra_compose("config", words, return_hydra_config=True).hydra
    assert set(hydra.sweeper.params or ()) == axes


def test_every_study_is_counted_here() -> None:
    assert sorted(POINTS) == EXPERIMENTS


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_study_composes_under_its_own_name(compose: Compose, experiment: str) -> None:
    grid = grid_of(experiment)
    for choose in (0, -1):
        words = [f"{key}={values[choose]}" for key, values in grid.items()]
        point = parse_point(compose(f"experiment={experiment}", *words))
        assert point.study == experiment
        assert point.data.name == DATA.get(experiment, "mnist")


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_study_has_the_grid_that_it_says(experiment: str) -> None:
    grid = grid_of(experiment)
    assert math.prod(len(set(values)) for values in grid.values()) == POINTS[experiment]
    assert all((CONF / "activation" / f"{name}.yaml").exists() for name in grid["activation"])


def test_the_edge_is_swept_evenly_on_a_log_axis() -> None:
    rates = [float(lr) for lr in grid_of("edge")["lr"]]
    evenly = [0.0003 * (0.1 / 0.0003) ** (step / 19) for step in range(20)]
    assert rates == pytest.approx(evenly, rel=5e-3)  # three digits


def test_the_width_is_searched_on_seeds_that_no_claim_is_judged_on() -> None:
    judged = {*grid_of("article_accuracy")["seed"], *grid_of("article_dying")["seed"]}
    assert not judged & set(grid_of("article_width")["seed"])


@pytest.mark.parametrize("experiment", ["article_accuracy", "article_dying"])
def test_the_judged_studies_have_20_seeds_with_the_articles_own(experiment: str) -> None:
    assert grid_of(experiment)["seed"] == [*map(str, range(19)), str(ARTICLE_SEED)]
