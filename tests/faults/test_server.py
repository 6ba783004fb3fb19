"""A tracking server that goes away in the middle of a sweep."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from actscope import tracking
from actscope.errors import MissingStudyError
from tests.support.processes import Start
from tests.support.serving import Server, serving
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

STUDY = "server_goes_away"
SEEDS = range(6)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "server") as server:
        yield server


@pytest.fixture
def start(project: Path, server: Server, begin: Start) -> Start:
    """Begin a command of a project of its own, whose queue then is its own as well."""
    return partial(
        begin,
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": str(project / "src"),
            "MLFLOW_TRACKING_URI": server.store.uri,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        },
    )


def statuses(server: Server) -> list[str]:
    try:
        return list(tracking.read_runs(server.store, STUDY).get("status", []))
    except MissingStudyError:
        return []


def test_a_sweep_goes_on_without_its_server_and_its_runs_arrive_once(
    start: Start, server: Server, project: Path
) -> None:
    grid = ("actscope", "-m", f"study={STUDY}", f"seed={','.join(map(str, SEEDS))}")
    words = (
        *("activation=relu", "lr=0.01", "trajectory.every=epoch", "train.epochs=150"),
        *("hydra.launcher.stack_size=1", "hydra.launcher.workers=1"),
    )
    sweep = start(*grid, *words)
    wait_for(lambda: "FINISHED" in statuses(server))
    server.kill()
    said, _ = sweep.communicate(timeout=240)
    assert sweep.returncode == 0, said
    assert "is unreachable" in said
    kept = len(list((project / "mlruns/spool").glob("[!.]*")))
    assert 1 <= kept < len(SEEDS)
    assert f"queued: {kept} results in" in said

    server.start()
    delivered, _ = start("actscope", "sync").communicate(timeout=120)
    assert f"{kept} runs delivered" in delivered
    runs = tracking.read_runs(server.store, STUDY)
    assert sorted(runs["params.seed"].astype(int)) == list(SEEDS)
    assert set(runs["status"]) == {"FINISHED"}

    again = start(*grid, *words)
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert f"{len(SEEDS)} finished already, nothing to train" in said
    assert len(statuses(server)) == len(SEEDS)
