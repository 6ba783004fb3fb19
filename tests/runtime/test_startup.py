"""Imports of what is large."""

import gc
import importlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from actscope.commands import main as command
from actscope.runtime import startup


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that nobody has imported; it tells whether there was a garbage collector."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "large.py").write_text("import gc\nfound_a_collector = gc.isenabled()\n")
    yield "large"
    sys.modules.pop("large", None)


def test_what_is_imported_meets_no_garbage_collector_neither_then_nor_later(module: str) -> None:
    frozen = gc.get_freeze_count()
    with startup.without_gc():
        large = importlib.import_module(module)
    assert not large.found_a_collector
    assert gc.get_freeze_count() > frozen
    assert gc.isenabled()


def test_garbage_of_others_is_still_found_where_all_was_imported_before(module: str) -> None:
    importlib.import_module(module)
    frozen = gc.get_freeze_count()
    with startup.without_gc():
        importlib.import_module(module)
    assert gc.get_freeze_count() == frozen


def test_who_has_no_garbage_collector_is_given_none() -> None:
    gc.disable()
    with startup.without_gc():
        pass
    assert not gc.isenabled()


def test_ctrl_c_waits_for_the_last_import(module: str) -> None:
    def interrupted() -> None:
        with startup.without_gc():
            signal.raise_signal(signal.SIGINT)
            importlib.import_module(module)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert module in sys.modules
    assert gc.isenabled()


def test_ctrl_c_before_a_command_has_begun_ends_it_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    imported = []

    class InTheImport(ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name != "train":
                raise AttributeError(name)
            signal.raise_signal(signal.SIGINT)
            imported.append(name)
            return lambda: pytest.fail("it began")

    monkeypatch.setitem(
        sys.modules, "actscope.commands.train", InTheImport("actscope.commands.train")
    )
    assert command.main(["train"]) == 130
    assert imported == ["train"]
    assert capfd.readouterr() == ("", "")
