"""Timings that hold on a shared machine: CPU seconds, all cases in turn, ratios within a round."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from actscope.errors import ActscopeError

Work = Callable[[], int]  # does some work and returns how many units of it were done


class BenchError(ActscopeError, RuntimeError):
    """What was to be measured did not come to an end."""


def interleaved(
    cases: Mapping[str, Work], rounds: int, on_case: Callable[[], None] = lambda: None
) -> pd.DataFrame:
    """CPU seconds that a unit of each case takes: a column a case, a row a round.

    One round before them is not counted.
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
    """What some work took, of all processors together."""

    wall: float  # s
    cpu: float  # s


def timed(work: Callable[[], object]) -> Took:
    """Do some work in this process."""
    start, cpu = time.monotonic(), time.process_time()
    work()
    return Took(time.monotonic() - start, time.process_time() - cpu)


@dataclass(frozen=True)
class Spent(Took):
    """What a command and all its processes took."""

    started: float  # seconds since 1970
    peak: int  # bytes, of its largest process


def spent_by(command: Sequence[str], environment: Mapping[str, str]) -> Spent:
    """Run a command to its end.

    Raises:
        BenchError: it failed; with the last line that it said.

    """
    started, start = time.time(), time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own words
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # which also tells of the processes below it
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - start
    process.stdout.close()
    if process.returncode != 0:
        last = said.strip().splitlines()[-1:] or [""]
        raise BenchError(f"{' '.join(command)} failed ({process.returncode}): {last[0]}")
    return Spent(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        started=started,
        peak=usage.ru_maxrss * 1024,
    )
