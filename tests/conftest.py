import gc
from collections.abc import Generator

import pytest

from actscope.runtime import startup

FIXTURES = ["tests.support.fixtures", "tests.support.studies"]

pytest.register_assert_rewrite(*FIXTURES)  # before a folder's conftest.py imports them


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures, but not in the process that only spreads tests among others.

    They import torch and MLflow, which takes seconds.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", 0):
        with startup.without_gc():
            for name in FIXTURES:
                config.pluginmanager.import_plugin(name)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the tests without the garbage collector.

    Modules and tests stay, so it need not check them for each of the tests either, nor so often.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000)
        gc.enable()
