import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures, but not in the process that only spreads tests among others.

    They import torch and MLflow, which takes seconds.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        for name in ("fixtures", "studies"):
            config.pluginmanager.import_plugin(f"tests.support.{name}")
