"""The process that workers are forked from."""

import multiprocessing
import os
import tempfile
from pathlib import Path

import pytest

from actscope import forkserver


@pytest.fixture
def far_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder whose name is too long for a socket in it."""
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    # multiprocessing keeps what it was once given.
    monkeypatch.delitem(multiprocessing.current_process()._config, "tempdir", raising=False)
    for name, value in forkserver.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return folder


def test_a_temporary_folder_may_have_a_long_name(far_away: Path) -> None:
    with forkserver.running([]):
        worker = multiprocessing.get_context("forkserver").Process(target=os._exit, args=(3,))
        worker.start()
        worker.join(60)
        assert worker.exitcode == 3
    assert tempfile.gettempdir() == str(far_away)
