"""What has become of a study's points and sweeps: looked up in one go, without reading runs."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

from mlflow.entities import Run

from actscope.engine.result import Outcome
from actscope.tracking.errors import store_errors
from actscope.tracking.run_reader import search
from actscope.tracking.signature import Signature
from actscope.tracking.store import Store, connected

FINAL_ACCURACY = "test/accuracy_final"
STACK = "actscope.stack"  # tag of a point's run: id of the task that it is a part of
SWEEPS = {"actscope.kind": "sweep"}  # tags of the runs of sweeps
EVERYONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Attempt:
    """A run, of a point or of a sweep, with as much of it as tells how it stands.

    `started`: ms since 1970. `status`: MLflow's.
    """

    run_id: str
    name: str
    status: str
    started: int
    tags: Mapping[str, str] = field(default_factory=dict)  # without their `actscope.`
    final_accuracy: float = math.nan

    @property
    def is_point(self) -> bool:
        return self.tags.get("kind") == "point"

    @property
    def is_sweep(self) -> bool:
        return self.tags.get("kind") == "sweep"

    @property
    def outcome(self) -> Outcome | None:
        """How its point ended; None where no tag says so, or one that somebody has edited."""
        told = self.tags.get("outcome")
        return next((outcome for outcome in Outcome if outcome == told), None)

    @property
    def is_finished(self) -> bool:
        """Whether it is done, and of a point tells how that ended."""
        return self.status == "FINISHED" and (self.is_sweep or self.outcome is not None)

    @property
    def reason(self) -> str:
        """Why it is not finished."""
        if self.status == "FINISHED":
            return "its tag actscope.outcome was deleted or edited"
        return self.tags.get("reason", "for a reason that nothing tells")

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
        """What a run tells of the machine and libraries that made it; empty if it does not."""
        try:
            told = json.loads(self.tags.get("platform", "{}"))
        except ValueError:
            return {}
        return {str(k): str(v) for k, v in told.items()} if isinstance(told, dict) else {}


def read_attempts(
    store: Store,
    experiment_id: str,
    tags: Mapping[str, str] = EVERYONE,
    *,
    is_unfinished: bool = False,
) -> list[Attempt]:
    """All runs of an experiment, points' and sweeps', or those that have these tags; oldest first.

    `is_unfinished`: without those that are FINISHED.
    A store on this machine is asked by one query over MLflow's own indexes, since its search brings
    all metrics and parameters of every run along: 10,000 runs take a fraction of a second so.
    """
    rows = _from_server if store.folder is None else _from_sqlite
    with store_errors(store):
        found = rows(store, experiment_id, tags, is_unfinished)
        return sorted(found, key=lambda a: (a.started, a.run_id))


def _from_server(
    store: Store, experiment_id: str, tags: Mapping[str, str], is_unfinished: bool
) -> Iterator[Attempt]:
    wanted = ["tags.`actscope.kind` LIKE '%'"]
    wanted += [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
    if is_unfinished:
        wanted.append("attributes.status != 'FINISHED'")
    return map(attempt_of, search(store, experiment_id, " and ".join(wanted)))


def attempt_of(run: Run) -> Attempt:
    return Attempt(
        run.info.run_id,
        run.info.run_name,
        run.info.status,
        run.info.start_time,
        {
            key.removeprefix("actscope."): value
            for key, value in run.data.tags.items()
            if key.startswith("actscope.")
        },
        run.data.metrics.get(FINAL_ACCURACY, math.nan),
    )


def _from_sqlite(
    store: Store, experiment_id: str, tags: Mapping[str, str], is_unfinished: bool
) -> Iterator[Attempt]:
    wanted = (
        "SELECT run_uuid, name, status, start_time FROM runs "
        "WHERE experiment_id = ? AND lifecycle_stage = 'active'"
    )
    given = [experiment_id]
    for tag in tags.items():
        wanted += " AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)"
        given += tag
    if is_unfinished:
        wanted += " AND status != 'FINISHED'"
    all_tags = (
        f"SELECT run_uuid, substr(key, 10), value FROM tags JOIN ({wanted}) USING (run_uuid) "  # noqa: S608 - fixed words
        "WHERE key LIKE 'actscope.%' AND key != 'actscope.artifacts'"
    )
    accuracies = (
        f"SELECT run_uuid, value FROM latest_metrics JOIN ({wanted}) USING (run_uuid) "  # noqa: S608 - fixed words
        "WHERE key = ? AND NOT is_nan"
    )
    with connected(store) as database:
        tags_of: dict[str, dict[str, str]] = {}
        for run_id, key, value in database.execute(all_tags, given):
            tags_of.setdefault(run_id, {})[key] = value
        accuracy_of = dict(database.execute(accuracies, [*given, FINAL_ACCURACY]))
        for run_id, name, status, started in database.execute(wanted, given):
            accuracy = accuracy_of.get(run_id, math.nan)
            yield Attempt(run_id, name, status, started, tags_of.get(run_id, {}), accuracy)
