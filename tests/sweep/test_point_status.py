"""How points stand, worked out by hand from what was attempted."""

import os
import socket
import time

import psutil
import pytest

from actscope.sweep.point_status import PointStatus, State, point_statuses
from actscope.tracking import GridPoint, RunSummary
from actscope.tracking.signature import Signature, changed_parts

NOW = Signature("config", "data", "code")
CELL = GridPoint("relu lr=0.1 seed=0", {}, NOW)
LIVING = {
    "host": socket.gethostname(),
    "process": f"{os.getpid()} {psutil.Process().create_time():.2f}",
}
DEAD = {"host": socket.gethostname(), "process": f"{os.getpid()} 1.00"}


def attempt(
    status: str,
    signature: Signature = NOW,
    *,
    name: str = CELL.name,
    run_id: str = "r",
    kind: str = "point",
    **tags: str,
) -> RunSummary:
    parts = {
        "signature.config": signature.config,
        "signature.data": signature.data,
        "signature.code": signature.code,
    }
    ended = {"outcome": "learned"} if status == "FINISHED" else {}
    return RunSummary(run_id, name, status, 0, {"kind": kind, **parts, **ended, **tags})


def status_of(*attempts: RunSummary) -> PointStatus:
    return point_statuses([CELL], attempts)[0]


def test_a_point_without_a_run_is_missing() -> None:
    assert status_of() == PointStatus(State.MISSING)


def test_a_finished_run_of_the_same_signature_counts_whatever_was_tried_after_it() -> None:
    done = attempt("FINISHED", run_id="done")
    assert status_of(done, attempt("FAILED")) == PointStatus(State.FINISHED, done)


def test_of_several_finished_runs_the_newest_counts() -> None:
    newest = attempt("FINISHED", run_id="newest")
    assert status_of(attempt("FINISHED"), newest).attempt == newest


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_what_did_not_finish_has_failed(status: str) -> None:
    assert status_of(attempt(status)).state is State.FAILED


def test_an_open_run_is_running_as_long_as_its_process_lives() -> None:
    assert status_of(attempt("RUNNING", **LIVING)).state is State.RUNNING
    assert status_of(attempt("RUNNING", **DEAD)).state is State.FAILED


def test_an_open_run_lives_by_its_sweep() -> None:
    run = attempt("RUNNING", sweep="s1")
    assert status_of(attempt("RUNNING", kind="sweep", sweep="s1", **LIVING), run).state == "running"
    assert status_of(attempt("RUNNING", kind="sweep", sweep="s1", **DEAD), run).state == "failed"
    assert status_of(attempt("FINISHED", kind="sweep", sweep="s1", **LIVING), run).state == "failed"


@pytest.mark.parametrize(("age", "state"), [(10, "running"), (3600, "failed")])
def test_a_process_elsewhere_lives_by_its_heartbeat(age: float, state: str) -> None:
    beat = str(int(time.time() - age))
    run = attempt("RUNNING", host="another-machine", process="1 1.00", heartbeat=beat)
    assert status_of(run).state == state


def test_a_point_whose_run_had_another_signature_is_stale_and_the_changed_part_is_named() -> None:
    before = attempt("FINISHED", Signature("config", "data", "old code"))
    assert status_of(before) == PointStatus(State.STALE, before, ("code",))


def test_a_run_of_another_point_of_the_grid_makes_none_stale() -> None:
    wide = GridPoint(CELL.name, {}, Signature("wide", "data", "code"))
    ends = point_statuses([CELL, wide], [attempt("FINISHED", wide.signature)])
    assert [status.state for status in ends] == [State.MISSING, State.FINISHED]


def test_changed_parts_are_named_in_order() -> None:
    assert changed_parts(NOW, Signature("x", "data", "y")) == ("config", "code")
    assert changed_parts(NOW, NOW) == ()


@pytest.mark.parametrize("outcome", ["great", ""])
def test_a_finished_run_whose_outcome_was_edited_has_failed(outcome: str) -> None:
    edited = attempt("FINISHED", outcome=outcome)
    assert status_of(edited) == PointStatus(State.FAILED, edited)
    assert edited.reason == "its tag actscope.outcome was deleted or edited"


@pytest.mark.parametrize("kind", ["", "sweep", "other"])
def test_a_run_whose_kind_was_edited_is_no_points(kind: str) -> None:
    assert status_of(attempt("FINISHED", kind=kind)) == PointStatus(State.MISSING)


@pytest.mark.parametrize("heartbeat", ["yesterday", "-1", "1e9", "9" * 400, "٣", ""])
def test_a_heartbeat_that_was_edited_is_none(heartbeat: str) -> None:
    elsewhere = {"host": "another", "heartbeat": heartbeat}
    assert status_of(attempt("RUNNING", **elsewhere)).state == State.FAILED
