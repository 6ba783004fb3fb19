"""What a sweep brings back of each point."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from actscope.analysis.labels import sort_key
from actscope.analysis.stats import NOT_TRAINED, summarise
from actscope.analysis.variants import describe_variants, varying_settings
from actscope.config import Point, flat_settings
from actscope.engine.result import Outcome
from actscope.tracking import RunSummary


@dataclass(frozen=True)
class Done:
    """A point that was trained to the end, and its run.

    `run_id`: None where the run waits in the offline queue.
    """

    point: Point
    run_id: str | None
    outcome: Outcome
    test_accuracy: float  # NaN where the run diverged
    is_earlier: bool = False  # whether another sweep did it


@dataclass(frozen=True)
class Failed:
    """A point that was not, and why."""

    point: Point
    reason: str


Result = Done | Failed


def done_before(point: Point, attempt: RunSummary) -> Done:
    """What a finished run, found in the store, says of its point."""
    assert attempt.outcome is not None
    accuracy = math.nan if attempt.outcome is Outcome.DIVERGED else attempt.final_accuracy
    return Done(point, attempt.run_id, attempt.outcome, accuracy, is_earlier=True)


def cell_means(results: Sequence[Result]) -> pd.DataFrame:
    """Final test accuracy of each cell, and how its points ended, as a report on them has it.

    Columns: those of stats.summarise but for the best accuracy. By variant, rate and activation.
    """
    runs = pd.DataFrame(
        {
            "variant": variants_of([flat_settings(result.point) for result in results]),
            "activation": [result.point.activation.name for result in results],
            "lr": [result.point.lr for result in results],
            "outcome": [_outcome(result) for result in results],
            "final": [r.test_accuracy if isinstance(r, Done) else math.nan for r in results],
        }
    )
    by_cell = runs.sort_values(["variant", "lr", "activation"], key=sort_key, kind="stable")
    return summarise(by_cell, ["final"])


def variants_of(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """What of points differs beside activation, rate and seed, from the flat settings of each."""
    return describe_variants(_as_logged(settings)).tolist()


def varying_values(settings: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many values each setting has that makes variants, by its name."""
    logged = _as_logged(settings)
    names = sorted({name for _, name in varying_settings(logged)})
    return {name: logged[name].nunique() for name in names}


def _as_logged(settings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Settings as the parameters of runs hold them."""
    return pd.DataFrame([{name: str(value) for name, value in own.items()} for own in settings])


def _outcome(result: Result) -> str:
    return str(result.outcome) if isinstance(result, Done) else NOT_TRAINED
