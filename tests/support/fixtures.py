"""What tests of several modules need made for them."""

import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import hydra
import pytest
import torch
from hydra.version import VersionBase
from mlflow.store.db import utils
from omegaconf import DictConfig, OmegaConf

from actscope.analysis.claims import claims
from actscope.project import CONF, ROOT
from actscope.runtime import forkserver, signals
from tests.support.processes import Start, started

# The tensors of the tests are small: several threads would only wait for each other.
torch.set_num_threads(1)

Compose = Callable[..., DictConfig]


@pytest.fixture(scope="session", autouse=True)
def _signals_heard() -> Iterator[None]:
    """Hear Ctrl-C and its like, to which what a script begins in the background is deaf."""
    heard = dict.fromkeys(signals.SIGNALS, signal.SIG_DFL) | {
        signal.SIGINT: signal.default_int_handler
    }
    before = {number: signal.signal(number, handler) for number, handler in heard.items()}
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, heard)
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _stores_opened_fast() -> Iterator[None]:
    """MLflow imports its schema's history for each store that it opens; here once.

    SQLite does not wait for the disk at each commit, which only matters to a computer that loses
    its power.
    """
    newest = utils._get_latest_schema_revision()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_get_latest_schema_revision", lambda: newest)
        patch.setattr(sqlite3, "connect", partial(_connect_without_the_disk, sqlite3.connect))
        yield


@pytest.fixture(scope="session", autouse=True)
def _shipped_claims_read_once() -> Iterator[None]:
    """Each report reads them, which takes a tenth of a second."""
    read = claims._read_file
    shipped = cache(read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            claims,
            "_read_file",
            lambda path: (shipped if path.parent == CONF / "claims" else read)(path),
        )
        yield


def _connect_without_the_disk(
    connect: Callable[..., sqlite3.Connection], *words: Any, **settings: Any
) -> sqlite3.Connection:
    connection = connect(*words, **settings)
    with suppress(sqlite3.Error):  # a file that is damaged or locked is for a query to find
        connection.execute("PRAGMA synchronous = OFF")
    return connection


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose spool, checkpoints, reports and outputs are its own."""
    for part in ("src", "conf"):
        shutil.copytree(ROOT / part, tmp_path / "project" / part)
    return tmp_path / "project"


@pytest.fixture
def begin() -> Iterator[Start]:
    """`begin("actscope", "-m", "seed=0,1")`: a command in a process that ends with the test."""
    with started() as start:
        yield start


# Not for the session: other modules have tests that stop it, or start one of their own.
@pytest.fixture(scope="module")
def workers_forkserver() -> Iterator[None]:
    """What the workers of a module's sweeps are forked from; it takes seconds to start."""
    with forkserver.running(["actscope.sweep.dask_executor"]):
        yield


@pytest.fixture(scope="session")
def compose() -> Compose:
    """The project's own configuration, composed by Hydra under some overrides."""

    @cache  # it takes a tenth of a second
    def composed(*overrides: str) -> DictConfig:
        # Hydra keeps the version that it is to be compatible with for the whole process.
        kept = VersionBase.instance().version_base
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            config = hydra.compose("config", list(overrides))
        VersionBase.instance().version_base = kept
        OmegaConf.set_readonly(config, True)
        return config

    return composed
