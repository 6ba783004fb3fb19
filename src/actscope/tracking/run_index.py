"""Summaries of a study's runs, read in one query."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from actscope.engine.result import Outcome
from actscope.metric import METRICS, Metric
from actscope.tracking.errors import store_errors
from actscope.tracking.rows import RunRow
from actscope.tracking.signature import Signature
from actscope.tracking.store import Store

FINALS = tuple(  # MLflow's metrics of each metric that a run may be judged by
    f"{split}/{name}_final" for name in METRICS for split in ("test", "validation")
)
STACK = "actscope.stack"  # tag of a point's run: id of the task that trains it
SWEEPS = {"actscope.kind": "sweep"}  # tags of the runs of sweeps
NO_TAGS: Mapping[str, str] = {}


@dataclass(frozen=True)
class RunSummary:
    """A run of a point or of a sweep, without parameters and artifacts.

    `started`: ms since 1970. `status`: MLflow's.
    """

    run_id: str
    name: str
    status: str
    started: int
    tags: Mapping[str, str] = field(default_factory=dict)  # without their `actscope.`
    finals: Mapping[str, float] = field(default_factory=dict)  # those of FINALS that it has

    def final(self, split: str, metric: Metric) -> float:
        """The last value of a metric on a split; NaN if the run has none."""
        return self.finals.get(f"{split}/{metric.name}_final", math.nan)

    @property
    def is_point(self) -> bool:
        return self.tags.get("kind") == "point"

    @property
    def is_sweep(self) -> bool:
        return self.tags.get("kind") == "sweep"

    @property
    def outcome(self) -> Outcome | None:
        """How its point ended; None where the tag is missing or was edited."""
        tag = self.tags.get("outcome")
        return next((outcome for outcome in Outcome if outcome == tag), None)

    @property
    def is_finished(self) -> bool:
        """Whether the run has ended well; a point's run also has its outcome."""
        return self.status == "FINISHED" and (self.is_sweep or self.outcome is not None)

    @property
    def reason(self) -> str:
        """Why it is not finished."""
        if self.status == "FINISHED":
            return "its tag actscope.outcome was deleted or edited"
        return self.tags.get("reason", "no reason is recorded")

    @property
    def is_open(self) -> bool:
        return self.status in ("RUNNING", "SCHEDULED")

    @property
    def signature(self) -> Signature:
        return Signature(
            *(self.tags.get(f"signature.{part.name}", "") for part in fields(Signature))
        )

    @property
    def platform(self) -> Mapping[str, str]:
        """Libraries and machine of the run; empty where the tag is missing or was edited."""
        try:
            found = json.loads(self.tags.get("platform", "{}"))
        except ValueError:
            return {}
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def read_summaries(
    store: Store,
    experiment_id: str,
    tags: Mapping[str, str] = NO_TAGS,
    *,
    is_unfinished: bool = False,
    is_deleted: bool = False,
) -> list[RunSummary]:
    """Runs of an experiment's points and sweeps that have these tags, oldest first.

    `is_unfinished`: without those that are FINISHED. `is_deleted`: those in MLflow's trash.
    """
    with store_errors(store.location):
        rows = store.summary_rows(
            experiment_id,
            tags,
            list(FINALS),
            is_unfinished=is_unfinished,
            is_deleted=is_deleted,
        )
        return sorted(map(summary_of, rows), key=lambda a: (a.started, a.run_id))


def summary_of(row: RunRow) -> RunSummary:
    return RunSummary(
        row.run_id,
        row.name,
        row.status,
        row.started,
        {
            key.removeprefix("actscope."): value
            for key, value in row.tags.items()
            if key.startswith("actscope.")
        },
        {name: row.metrics[name] for name in FINALS if name in row.metrics},
    )
