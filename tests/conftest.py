"""What tests of several modules need made for them."""

import copy
from collections.abc import Callable

import hydra
import pytest
import torch
from hydra.core.singleton import Singleton
from omegaconf import DictConfig

from actscope.project import CONF

# The tensors of the tests are small: several threads would only wait for each other.
torch.set_num_threads(1)

Compose = Callable[..., DictConfig]


@pytest.fixture(scope="session")
def compose() -> Compose:
    """The project's own configuration, composed by Hydra under some overrides."""

    def composed(*overrides: str) -> DictConfig:
        # Hydra keeps the version that it is to be compatible with for the whole process.
        state = copy.deepcopy(Singleton.get_state())
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            config = hydra.compose("config", list(overrides))
        Singleton.set_state(state)
        return config

    return composed
