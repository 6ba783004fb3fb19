"""Standard output that nobody can read any more."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest
from rich.console import Console

from actscope.command_line.settings import exit_code
from actscope.runtime import output, signals
from tests.support.processes import PYTHONPATH

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def say_by_print() -> None:
    print("x" * 100_000)  # noqa: T201 - more than a buffer holds


def say_by_lines() -> None:
    sys.stdout.writelines(["x"])


def say_by_rich() -> None:
    Console().print("x")


def say_by_log() -> None:
    logging.getLogger("tests.output").warning("x")


def full() -> TextIO:
    return Path("/dev/full").open("w")


def without_reader() -> TextIO:
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


REASONS = {full: "No space left on device", without_reader: "Broken pipe"}


@pytest.mark.parametrize("say", [say_by_print, say_by_lines, say_by_rich, say_by_log])
@pytest.mark.parametrize("opened", REASONS)
def test_a_command_ends_in_a_line(
    opened: Callable[[], TextIO],
    say: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cleaned = []

    def command() -> int:
        handler = logging.StreamHandler(sys.stdout)  # as Hydra has one
        logging.getLogger("tests.output").addHandler(handler)
        try:
            say()
            return 0
        finally:
            say()  # what a clean-up says is for nobody, and no further fault
            logging.getLogger("tests.output").removeHandler(handler)
            cleaned.append(True)

    with opened() as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert exit_code(command) == 1
    assert cleaned == [True]
    assert capsys.readouterr().err == (
        f"actscope: Standard output cannot be written: {REASONS[opened]}. "
        "Redirect it to another place.\n"
    )


def test_another_thread_leaves_the_end_to_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with full() as stream, monkeypatch.context() as patch, signals.installed():
        patch.setattr(sys, "stdout", stream)
        with output.guarded():
            thread = threading.Thread(target=say_by_print)
            thread.start()
            thread.join()
            with pytest.raises(output.OutputLost):
                signals.check()


SMALL = """
import sys, time
from actscope.command_line.settings import exit_code
time.sleep(0.5)  # until whoever reads has gone
sys.exit(exit_code(lambda: print("x") or 0))
"""


@pytest.mark.parametrize(
    "redirection", [">/dev/full", ">&-", ">&- 2>&-", ">/dev/full 2>&1", "| true"]
)
def test_a_process_ends_without_a_traceback(redirection: str) -> None:
    """Python itself tells of what it cannot write as it ends, and has an exit code for it."""
    command = f"set -o pipefail; {sys.executable} -c '{SMALL}' {redirection}"
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done
    if "2>" not in redirection:
        (line,) = done.stderr.splitlines()
        assert line.startswith("actscope: Standard output cannot be written: ")
