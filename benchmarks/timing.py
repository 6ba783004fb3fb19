"""Timings that are valid on a shared machine: CPU seconds, cases in turn, ratios within a round."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import pandas as pd

from actscope.errors import ActscopeError

SPEND = str(Path(__file__).with_name("spend.py"))

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
    started = time.time()
    with NamedTemporaryFile("r") as cost:
        ended = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, SPEND, cost.name, *command],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            last = ended.stdout.strip().splitlines()[-1:] or [""]
            raise BenchError(f"{' '.join(command)} failed ({ended.returncode}): {last[0]}")
        return Spent(started=started, **json.load(cost))
