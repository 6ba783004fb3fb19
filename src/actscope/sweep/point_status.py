"""The status of each point of a grid: finished, running, failed, stale or missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from actscope.tracking import GridPoint, RunSummary, is_alive, living_sweeps
from actscope.tracking.signature import changed_parts


class State(StrEnum):
    """State of a point. `stale`: it was trained with other settings, data or code than today's."""

    FINISHED = "finished"
    RUNNING = "running"
    FAILED = "failed"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True)
class PointStatus:
    """State of a point, the run that decides it, and for a stale point what has changed since."""

    state: State
    attempt: RunSummary | None = None
    changed: tuple[str, ...] = ()


def point_statuses(grid: Sequence[GridPoint], attempts: Sequence[RunSummary]) -> list[PointStatus]:
    """The status of each point of a grid, from these attempts, oldest first."""
    of_points = [attempt for attempt in attempts if attempt.is_point]
    by_signature = _grouped((a.signature.whole, a) for a in of_points)
    living = living_sweeps(attempts)
    in_grid = {cell.signature.whole for cell in grid}
    outdated = {  # by name: the newest finished run that belongs to no point of this grid
        a.name: a for a in of_points if a.is_finished and a.signature.whole not in in_grid
    }

    def status(cell: GridPoint) -> PointStatus:
        own = by_signature.get(cell.signature.whole, [])
        for attempt in reversed(own):
            if attempt.is_finished:
                return PointStatus(State.FINISHED, attempt)
        for attempt in reversed(own):
            if attempt.is_open and (is_alive(attempt.tags) or attempt.tags.get("sweep") in living):
                return PointStatus(State.RUNNING, attempt)
        if own:
            return PointStatus(State.FAILED, own[-1])
        if cell.name in outdated:
            attempt = outdated[cell.name]
            return PointStatus(
                State.STALE, attempt, changed_parts(attempt.signature, cell.signature)
            )
        return PointStatus(State.MISSING)

    return [status(cell) for cell in grid]


def _grouped(pairs: Iterable[tuple[str, RunSummary]]) -> Mapping[str, list[RunSummary]]:
    groups: dict[str, list[RunSummary]] = {}
    for key, attempt in pairs:
        groups.setdefault(key, []).append(attempt)
    return groups
