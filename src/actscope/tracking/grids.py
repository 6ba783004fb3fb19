"""The grid that a sweep announces, in a file of its own run."""

import json
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic import TypeAdapter

from actscope.command_line import suggestions
from actscope.config import Point
from actscope.engine.images import describe_data
from actscope.errors import StoreError
from actscope.parsing import flat_settings
from actscope.tracking.errors import is_missing
from actscope.tracking.run_index import SWEEPS, RunSummary, read_summaries
from actscope.tracking.signature import Signature, signature_of
from actscope.tracking.store import Store

GRID = "grid.jsonl"


class LostGridError(StoreError):
    """The grid that a sweep has announced is lost or damaged."""


@dataclass(frozen=True)
class GridPoint:
    """A point in the file of a sweep's grid: its flat settings and its signature."""

    name: str
    settings: Mapping[str, Any]
    signature: Signature

    @classmethod
    def of(cls, point: Point) -> Self:
        signature = signature_of(point, describe_data(point.data))
        return cls(str(point), flat_settings(point), signature)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError for any other text."""
        point: Self = TypeAdapter(cls).validate_json(text)
        return point


def read_grid(store: Store, study: str, sweep: RunSummary) -> list[GridPoint]:
    """The grid that a sweep announced.

    Raises:
        LostGridError: the file is missing or damaged.
        StoreError: a server does not answer.

    """
    try:
        with store.artifact(study, sweep.run_id, GRID) as path:
            return [GridPoint.from_json(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        if isinstance(error, StoreError) and not is_missing(error):
            raise
        raise LostGridError(
            f"study={study}: the grid of {sweep.name} is lost or damaged ({GRID} among the "
            f"artifacts of run {sweep.run_id}). Rebuild it from the sweep's runs with "
            f"`{suggestions.command('doctor', f'study={study}', store=store)}`."
        ) from error


def stated_grid(store: Store, study: str, sweeps: Container[str]) -> list[GridPoint] | None:
    """The grid of the first of these sweeps, by their ids; None if it is lost, or there is none.

    Raises:
        StoreError: the store does not answer.

    """
    experiment = store.find_experiment(study)
    for run in read_summaries(store, experiment.experiment_id, SWEEPS):
        if run.tags.get("sweep") in sweeps:
            with suppress(LostGridError):
                return read_grid(store, study, run)
            return None
    return None
