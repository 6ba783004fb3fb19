"""Runs of a worker that was given up, and what it does with them when it comes back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from actscope import tracking
from actscope.sweep.results import Done
from actscope.sweep.worker import StackCancelled, Task, finish_run, train_and_track
from actscope.tracking import OpenRun, Store, offline_queue, sweeps
from tests.support.tracked import STUDY, begin, begin_sweep, log, new_store, trained


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline_queue, "_next_try", {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


@pytest.fixture
def task(store: Store) -> Task:
    results = trained()[:2]
    points = [result.point for result in results]
    return Task(points, store, begin_sweep(store, results), may_be_reassigned=True)


def statuses(store: Store) -> list[str]:
    return sorted(tracking.read_runs(store, STUDY)["status"])


def test_what_a_lost_worker_had_open_is_closed_and_what_it_finished_is_kept(task: Task) -> None:
    first, second = trained()[:2]
    log(task.store, task.sweep, first, task.id)
    begin(task.store, task.sweep, second, task.id)
    results = train_and_track(task, lambda _: None)
    assert [isinstance(result, Done) for result in results] == [True, True]
    assert statuses(task.store) == ["FINISHED", "FINISHED", "KILLED"]


def test_a_worker_whose_run_was_closed_does_not_finish_it(task: Task) -> None:
    one = replace(task, stack=task.stack[:1])

    def give_to_another(_: int) -> None:
        for attempt in tracking.read_summaries(task.store, task.sweep.experiment_id):
            if attempt.is_open and not attempt.is_sweep:
                tracking.close_abandoned_run(task.store, attempt.run_id)

    with pytest.raises(StackCancelled):
        train_and_track(one, give_to_another)
    assert statuses(task.store) == ["KILLED"]


def test_a_run_may_be_closed_by_two_at_once(store: Store) -> None:
    """By the sweep that was interrupted and by the worker that it gave up."""
    run_ids = [begin(store, begin_sweep(store, []), trained()[0]).run_id for _ in range(10)]
    both_ready = Barrier(2)

    def close_all() -> None:
        for run_id in run_ids:
            both_ready.wait(timeout=10)
            sweeps.close(store, run_id, "closed by a test")

    with ThreadPoolExecutor(2) as two:
        for closing in [two.submit(close_all), two.submit(close_all)]:
            closing.result()
    runs = tracking.read_runs(store, STUDY)
    assert set(runs["status"]) == {"KILLED"}
    assert set(runs["reason"]) == {"closed by a test"}


def test_a_worker_that_is_given_up_closes_its_runs(task: Task) -> None:
    def stop(_: int) -> None:
        raise StackCancelled("its sweep has ended")

    with pytest.raises(StackCancelled):
        train_and_track(task, stop)
    assert statuses(task.store) == ["KILLED", "KILLED"]


def test_a_point_finished_twice_counts_once(task: Task) -> None:
    first, second = trained()[:2]
    for result in (first, first, second):
        log(task.store, task.sweep, result)
    tracking.end_sweep(task.store, task.sweep, "FINISHED")
    assert statuses(task.store) == ["FINISHED", "FINISHED", "KILLED"]


def test_what_a_worker_kept_is_not_delivered_where_another_has_finished(task: Task) -> None:
    result = trained()[0]
    lost = begin(task.store, task.sweep, result)
    keep_as_if_away(task.store, lost)
    log(task.store, task.sweep, result)
    tracking.end_sweep(task.store, task.sweep, "FINISHED")
    offline_queue.deliver_queued(task.store)
    assert statuses(task.store) == ["FINISHED", "KILLED"]
    assert offline_queue.read_queue(task.store).waiting == []


def test_what_a_worker_kept_is_delivered_where_nobody_else_has_finished(task: Task) -> None:
    result = trained()[0]
    lost = begin(task.store, task.sweep, result)
    keep_as_if_away(task.store, lost)
    tracking.end_sweep(task.store, task.sweep, "FAILED")
    offline_queue.deliver_queued(task.store)
    assert statuses(task.store) == ["FINISHED", "KILLED"]


def keep_as_if_away(store: Store, run: OpenRun) -> None:
    offline_queue._next_try[store.uri] = float("inf")
    finish_run(store, run, trained()[0])
    offline_queue._next_try.clear()
