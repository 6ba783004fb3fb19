"""Timings that are valid on a shared machine: CPU seconds, cases in turn, ratios within a round."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from actscope.errors import ActscopeError

Work = Callable[[], int]  # does some work and returns the number of units done


class BenchError(ActscopeError, RuntimeError):
    """A command that is measured failed."""


def interleaved(
    cases: Mapping[str, Work], rounds: int, on_case: Callable[[], None] = lambda: None
) -> pd.DataFrame:
    """CPU seconds a unit of each case: one column a case, one row a round.

    A first round is not counted.
    """
    rows = []
    for _ in range(1 + rounds):
        row = {}
        for name, work in cases.items():
            start = time.process_time()
            units = work()
            row[name] = (time.process_time() - start) / units
            on_case()
        rows.append(row)
    return pd.DataFrame(rows[1:])


def spread(rounds: pd.DataFrame) -> pd.DataFrame:
    """Median and quartiles of each case."""
    quartiles = rounds.quantile([0.5, 0.25, 0.75]).T
    return quartiles.set_axis(["median", "low", "high"], axis=1)


@dataclass(frozen=True)
class Took:
    """Wall time and CPU time of some work, summed over all cores."""

    wall: float  # s
    cpu: float  # s


def timed(work: Callable[[], object]) -> Took:
    """Do some work in this process and measure it."""
    start, cpu = time.monotonic(), time.process_time()
    work()
    return Took(time.monotonic() - start, time.process_time() - cpu)


@dataclass(frozen=True)
class Spent(Took):
    """Time and memory of a command with all its processes."""

    started: float  # seconds since 1970
    peak: int  # bytes, of its largest process


def spent_by(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> Spent:
    """Run a command, in a folder if one is given, and measure it.

    Raises:
        BenchError: the command failed; the message has its last line of output.

    """
    started, start = time.time(), time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own words
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # includes its child processes
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - start
    process.stdout.close()
    if process.returncode != 0:
        last = printed.strip().splitlines()[-1:] or [""]
        raise BenchError(f"{' '.join(command)} failed ({process.returncode}): {last[0]}")
    return Spent(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        started=started,
        peak=usage.ru_maxrss * 1024,
    )
