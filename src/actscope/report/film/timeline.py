"""Which steps a film shows, and for how long: the first ones, at which units die, the longest."""

from typing import Any, NamedTuple

import numpy as np

SECONDS = 10.0  # of motion
TICK_MS = 100
FIRST_MS, LAST_MS = 800, 2200  # the first and the last frame are held for longer
EARLY = 5  # a step's time falls in proportion to this many steps plus its number

Array = np.ndarray[Any, np.dtype[Any]]


class Frame(NamedTuple):
    step: int
    milliseconds: int


def frames(steps: Array, seconds: float = SECONDS) -> list[Frame]:
    """The frames of a film over these recorded steps, in increasing order; each step once."""
    ticks = np.linspace(spread(steps[0]), spread(steps[-1]), max(2, int(1000 * seconds / TICK_MS)))
    places = np.searchsorted(spread(steps), ticks + 1e-9, side="right") - 1
    shown, counts = np.unique(places, return_counts=True)
    holds = TICK_MS * counts
    holds[0] += FIRST_MS
    holds[-1] += LAST_MS
    return [Frame(int(steps[at]), int(ms)) for at, ms in zip(shown, holds, strict=True)]


def spread(step: Any) -> Any:
    """Place of a step in the film's time and on its axes, and back with `gathered`."""
    return np.log1p(np.asarray(step, dtype=float) / EARLY)


def gathered(place: Any) -> Any:
    """The step at a place."""
    return EARLY * np.expm1(place)
