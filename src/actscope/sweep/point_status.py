"""How the points of a grid stand: finished, running, failed, stale or missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from actscope.tracking import GridPoint, RunSummary, is_alive, living_sweeps
from actscope.tracking.signature import changed_parts


class State(StrEnum):
    """How a point stands. `stale`: its run had other settings, data or code than it would now."""

    FINISHED = "finished"
    RUNNING = "running"
    FAILED = "failed"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True)
class Standing:
    """How a point stands, by which run, and what changed since where that is stale."""

    state: State
    attempt: RunSummary | None = None
    changed: tuple[str, ...] = ()


def standings(grid: Sequence[GridPoint], attempts: Sequence[RunSummary]) -> list[Standing]:
    """How each point of a grid stands after these attempts, oldest first."""
    of_points = [attempt for attempt in attempts if attempt.is_point]
    by_signature = _grouped((a.signature.whole, a) for a in of_points)
    living = living_sweeps(attempts)
    in_grid = {cell.signature.whole for cell in grid}
    outdated = {  # the newest finished run of each name that is no point of this grid
        a.name: a for a in of_points if a.is_finished and a.signature.whole not in in_grid
    }

    def standing(cell: GridPoint) -> Standing:
        own = by_signature.get(cell.signature.whole, [])
        for attempt in reversed(own):
            if attempt.is_finished:
                return Standing(State.FINISHED, attempt)
        for attempt in reversed(own):
            if attempt.is_open and (is_alive(attempt.tags) or attempt.tags.get("sweep") in living):
                return Standing(State.RUNNING, attempt)
        if own:
            return Standing(State.FAILED, own[-1])
        if cell.name in outdated:
            attempt = outdated[cell.name]
            return Standing(State.STALE, attempt, changed_parts(attempt.signature, cell.signature))
        return Standing(State.MISSING)

    return [standing(cell) for cell in grid]


def _grouped(pairs: Iterable[tuple[str, RunSummary]]) -> Mapping[str, list[RunSummary]]:
    groups: dict[str, list[RunSummary]] = {}
    for key, attempt in pairs:
        groups.setdefault(key, []).append(attempt)
    return groups
