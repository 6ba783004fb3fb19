"""When the process that workers are forked from imports what they need, and what that is."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from actscope.config import SweepRules, Tracking
from actscope.runtime import forkserver
from actscope.sweep.launcher_settings import LauncherSettings
from actscope.sweep.worker_imports import preloaded
from tests.support.tracked import STUDY, begin_sweep, log, new_store, trained

RULES = SweepRules()
Asked = list[tuple[bool, bool]]  # whether MLflow is imported, and whether at once


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found: Asked = []

    def running(modules: list[str], *, at_once: bool) -> AbstractContextManager[None]:
        assert "actscope.sweep.dask_worker" in modules
        found.append(("mlflow" in modules, at_once))
        return nullcontext()

    monkeypatch.setattr(forkserver, "running", running)
    return found


def launcher(workers: int | None = None, scheduler: str | None = None) -> LauncherSettings:
    return LauncherSettings(workers, None, scheduler, None, None)


def test_imports_begin_at_once_unless_a_study_has_enough_finished_runs(
    tmp_path: Path, asked: Asked
) -> None:
    store, results = new_store(tmp_path), trained(2)
    sweep = begin_sweep(store, results)
    for result in results:
        log(store, sweep, result)
    here = Tracking(store.uri)
    for rules, study, points in (
        (RULES, STUDY, 2),
        (RULES, STUDY, 3),
        (RULES, "another", 2),
        (SweepRules(force=True), STUDY, 2),
    ):
        preloaded(launcher(), rules, here, study, points)
    assert asked == [(False, False), (False, True), (False, True), (False, True)]


def test_a_server_and_a_logged_model_need_mlflow(tmp_path: Path, asked: Asked) -> None:
    local = f"sqlite:///{tmp_path}/mlflow.db"
    for settings in (Tracking("http://127.0.0.1:1"), Tracking(local, model=True), Tracking(local)):
        preloaded(launcher(), RULES, settings, STUDY, 1)
    assert asked == [(True, True), (True, True), (False, True)]


def test_without_workers_on_this_machine_nothing_is_imported(tmp_path: Path, asked: Asked) -> None:
    here = Tracking(f"sqlite:///{tmp_path}/mlflow.db")
    preloaded(launcher(workers=0), RULES, here, STUDY, 1)
    preloaded(launcher(scheduler="tls://elsewhere:8786"), RULES, here, STUDY, 1)
    preloaded(launcher(), SweepRules(dry_run=True), here, STUDY, 1)
    assert asked == []
