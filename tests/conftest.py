import pytest

FIXTURES = ["tests.support.fixtures", "tests.support.studies"]

pytest.register_assert_rewrite(*FIXTURES)  # before a folder's conftest.py imports them


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures, but not in the process that only spreads tests among others.

    They import torch and MLflow, which takes seconds.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        for name in FIXTURES:
            config.pluginmanager.import_plugin(name)
