"""Composing fast must give what Hydra gives."""

import itertools
from collections.abc import Iterator

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from actscope.project import CONF
from hydra_plugins.actscope_launcher.compose import compose_all


@pytest.fixture
def hydra() -> Iterator[GlobalHydra]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield GlobalHydra.instance()
    HydraConfig.instance().cfg = None


def master_config(hydra: GlobalHydra, overrides: list[str]) -> DictConfig:
    assert hydra.hydra is not None
    return hydra.hydra.compose_config(
        config_name="config", overrides=overrides, run_mode=RunMode.MULTIRUN, from_shell=False
    )


GRIDS = {
    "quickstart": [
        ["activation=relu", "activation=elu"],
        ["lr=0.001"],
        ["seed=0", "seed=1"],
    ],
    "experiment": [["experiment=article_dying"], ["activation=selu"], ["seed=3", "seed=4"]],
    "lists": [
        ["model.hidden=[8]", "model.hidden=[8,4]"],
        ["trajectory.every=epoch", "trajectory.every=3"],
    ],
    "group and value": [["data=mnist", "data=digits"], ["data.root=null", "data.root=elsewhere"]],
    "argument": [
        ["activation=elu"],
        ["activation.function.alpha=0.5", "activation.function.alpha=2"],
    ],
    "added": [["+activation.function.inplace=false"], ["lr=1", "lr=2"]],
}


@pytest.mark.parametrize("name", GRIDS)
def test_equals_hydras_own_composition(hydra: GlobalHydra, name: str) -> None:
    loader = hydra.config_loader()
    # What has one value is Hydra's to compose before there are jobs.
    master = master_config(hydra, [axis[0] for axis in GRIDS[name] if len(axis) == 1])
    jobs = [list(job) for job in itertools.product(*GRIDS[name])]
    for job, fast in zip(jobs, compose_all(loader, master, jobs), strict=True):
        slow = loader.load_sweep_config(master, job)
        with open_dict(slow):
            del slow["hydra"]
        assert fast == slow, job


@pytest.mark.parametrize("wrong", ["sed=1", "activation=foo", "data.rot=x", "lr.x=1"])
def test_refuses_what_hydra_refuses(hydra: GlobalHydra, wrong: str) -> None:
    master = master_config(hydra, [])
    with pytest.raises(HydraException):
        compose_all(hydra.config_loader(), master, [["lr=1", "seed=0"], ["lr=2", wrong]])


def test_a_wrong_value_in_the_last_job_is_refused(hydra: GlobalHydra) -> None:
    master = master_config(hydra, [])
    jobs = [["train.epochs=1"], ["train.epochs=[]"]]
    first, last = compose_all(hydra.config_loader(), master, jobs)
    assert first.train.epochs == 1
    assert last.train.epochs == []  # what is well-formed is for parse_point to refuse


def test_a_choice_that_comes_too_late_for_its_grid_is_refused(hydra: GlobalHydra) -> None:
    master = master_config(hydra, [])
    jobs = [["experiment=edge", "seed=0"], ["experiment=article_dying", "seed=0"]]
    with pytest.raises(HydraException, match="experiment=edge: sets hydra"):
        compose_all(hydra.config_loader(), master, jobs)
