"""The launcher inside Hydra: with other people's task functions it is the basic one."""

import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from hydra.version import VersionBase
from packaging.version import Version

from hydra_plugins.actscope_launcher.launcher import ActscopeLauncher

# Hydra's own suite runs its example applications without a version_base and warns itself of that.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:Future Hydra versions will no longer change working directory"
    ),
    pytest.mark.filterwarnings("ignore:\\nThe version_base parameter is not specified"),
]


@pytest.fixture(autouse=True)
def hydra_as_its_own_suite_expects() -> None:
    """Undo the version_base that other tests of this process have set."""
    VersionBase.instance().setbase(Version("1.1"))


def test_hydra_finds_the_launcher() -> None:
    names = [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)]
    assert ActscopeLauncher.__name__ in names


def test_jobs_of_another_program_run_one_after_another_and_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import hydra\n"
        "@hydra.main(version_base='1.3', config_path=None)\n"
        "def main(config):\n"
        "    print('job', config.x)\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "app.py", "-m", "hydra/launcher=actscope", "+x=1,2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "this task function has no train_grid. Its jobs run one after another." in done.stdout
    assert [line for line in done.stdout.splitlines() if "job " in line] == ["job 1", "job 2"]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("actscope", [])])
class TestHydrasLauncherSuite(LauncherTestSuite):
    """What Hydra ships for the authors of launchers."""


@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("actscope", ["hydra.sweeper.max_batch_size=2"])]
)
class TestHydrasBatchedSuite(BatchedSweeperTestSuite):
    """The same with a sweeper that hands the jobs over in batches."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/launcher=actscope"])]
)
class TestHydrasIntegrationSuite(IntegrationTestSuite):
    """The same in a process of its own."""

    # Each starts a process for the names and folders of jobs, which are Hydra's own affair.
    test_custom_task_name = pytest.mark.slow(IntegrationTestSuite.test_custom_task_name)
    test_custom_sweeper_run_workdir = pytest.mark.slow(
        IntegrationTestSuite.test_custom_sweeper_run_workdir
    )
    test_get_orig_dir_multirun = pytest.mark.slow(IntegrationTestSuite.test_get_orig_dir_multirun)
    test_to_absolute_path_multirun = pytest.mark.slow(
        IntegrationTestSuite.test_to_absolute_path_multirun
    )
