"""`python -m actscope`: one point, a grid, and the ways to get them wrong."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from actscope import tracking
from actscope.commands.main import main
from actscope.config import Tracking
from tests.e2e.conftest import Refused, Run, RunHere

SMALL = ["train.epochs=2", "model.hidden=[32]", "trajectory.every=epoch"]
HERE = "hydra.launcher.workers=0"  # no worker processes, where they are not what is tested
ONE = "hydra/sweeper=actscope"  # one point: the default grid takes longer to compose
GRID = ["-m", "activation=relu,selu", "lr=0.001", "seed=range(2)", *SMALL]


def read_jobs(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]


def finished(store_uri: str, study: str = "quickstart") -> pd.DataFrame:
    runs = tracking.read_runs(tracking.locate_store(Tracking(store_uri)), study)
    assert set(runs["status"]) == {"FINISHED"}
    return runs.sort_values("name", ignore_index=True)


def test_a_grid_becomes_runs_a_table_and_a_folder(
    actscope: Run, store_uri: str, tmp_path: Path
) -> None:
    done = actscope(*GRID, "hydra.launcher.workers=1")
    assert done.returncode == 0, done.stderr
    assert "4 (2 activations x 1 rates x 2 seeds)" in done.stdout
    assert "python -m actscope report study=quickstart" in done.stdout
    assert len(finished(store_uri)) == 4
    folder = tmp_path / "outputs" / "sweep"
    assert (folder / "multirun.yaml").exists()
    jobs = read_jobs(folder)
    assert [job["job"] for job in jobs] == list(range(4))
    assert jobs[0]["overrides"][:3] == ["activation=relu", "lr=0.001", "seed=0"]
    assert jobs[0]["config"]["train"]["epochs"] == 2
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_harder_data_are_trained_and_verified(
    train_here: RunHere, store_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["data=mnist1d", "data.scale=standard", "data.train_size=500"]
    assert train_here(*data, "activation=relu", "train.epochs=1", "model.hidden=[8]") == 0
    (run,) = finished(store_uri).to_dict("records")
    assert [run[f"params.data{name}"] for name in ("", ".scale", ".train_size", ".noise")] == [
        *("mnist1d", "standard", "500", "0.0"),
    ]
    assert main(["verify", "study=quickstart", f"tracking.uri={store_uri}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("identical: ")


@pytest.mark.slow
def test_batches_of_a_sweeper_are_numbered_through(actscope: Run, tmp_path: Path) -> None:
    grid = ["activation=relu,elu", "lr=0.01", "seed=0,1", "hydra.sweeper.max_batch_size=3"]
    done = actscope("-m", *grid, HERE, *SMALL)
    assert done.returncode == 0, done.stderr
    jobs = read_jobs(tmp_path / "outputs" / "sweep")
    assert [(job["job"], *job["overrides"][:3:2]) for job in jobs] == [
        (0, "activation=relu", "seed=0"),
        (1, "activation=relu", "seed=1"),
        (2, "activation=elu", "seed=0"),
        (3, "activation=elu", "seed=1"),
    ]


@pytest.mark.slow
def test_one_point_alone(actscope: Run, store_uri: str) -> None:
    done = actscope("activation=elu", "seed=0", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "elu lr=0.01 seed=0: learned, final test accuracy 0." in done.stdout
    assert finished(store_uri)["name"].tolist() == ["elu lr=0.01 seed=0"]


@pytest.mark.slow
def test_other_launchers_train_the_same_points_to_the_same_numbers(
    actscope: Run, store_uri: str
) -> None:
    grid = ["-m", "activation=relu,selu", "lr=0.01", "seed=0", *SMALL]
    launchers = {
        "actscope": [HERE],
        "basic": ["hydra/launcher=basic"],
        "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
        "submitit": ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"],
    }
    store = tracking.locate_store(Tracking(store_uri))
    seen = {}
    for launcher, words in launchers.items():
        done = actscope(*grid, f"study={launcher}", *words)
        assert done.returncode == 0, done.stderr
        runs = finished(store_uri, launcher)
        seen[launcher] = (
            runs[["name", "signature"]],
            [tracking.read_trajectory(store, launcher, run_id) for run_id in runs["run_id"]],
        )
    for runs, trajectories in seen.values():
        pd.testing.assert_frame_equal(runs, seen["actscope"][0])
        for ours, theirs in zip(seen["actscope"][1], trajectories, strict=True):
            pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


@pytest.mark.slow
def test_points_written_twice_are_trained_once_and_named(actscope: Run, store_uri: str) -> None:
    done = actscope("-m", "activation=relu", "lr=0.1,1e-1", "seed=0", HERE, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "relu lr=0.1 seed=0: 2 times in the grid, trained once" in done.stdout
    assert len(finished(store_uri)) == 1


def test_a_new_activation_is_one_file(train_here: RunHere, store_uri: str, tmp_path: Path) -> None:
    file = tmp_path / "conf" / "activation" / "softsign.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("name: softsign\nbatch_norm: false\nfunction:\n  _target_: torch.nn.Softsign\n")
    words = ["--config-dir", str(tmp_path / "conf"), "activation=softsign", *SMALL]
    assert train_here(*words) == 0
    assert finished(store_uri)["name"].tolist() == ["softsign lr=0.01 seed=0"]


@pytest.mark.slow
def test_a_failed_point_is_named_and_the_exit_code_tells(actscope: Run, store_uri: str) -> None:
    raising = "activation.function._target_=tests.support.raising.RaisesInTraining"
    done = actscope("-m", "activation=relu", raising, "lr=0.001", "seed=0,1", HERE, *SMALL)
    assert done.returncode == 1
    assert (
        "failed: relu lr=0.001 seed=0: RuntimeError: this function cannot be trained" in done.stdout
    )
    assert "Traceback" not in done.stderr
    runs = tracking.read_runs(tracking.locate_store(Tracking(store_uri)), "quickstart")
    assert set(runs["status"]) == {"FAILED"}


MISTAKES = [
    ("lr=nan", "lr=nan"),
    ("lr=-1", "lr=-1"),
    ("seed=1.5", "seed=1.5"),
    ("activation=foo", "activation/foo"),
    ("sed=1", "sed: unknown setting; did you mean seed?"),
    ("model.hidden=[]", "model.hidden"),
    ("train.batch_size=0", "train.batch_size=0"),
    ("train.batch_size=99999", "1437"),
    ("trajectory.every=0", "trajectory.every=0"),
    ("study=../x", "study"),
    ("study='<script>'", "study"),
    ("study=" + "x" * 1000, "study"),
    ("+activity=relu", "activity"),
    ("seed=range(0,0)", "empty"),
    ("activation.function._target_=torch.nn.Softmax", "torch.nn.Softmax"),
    ("hydra.launcher.workers=-1", "workers"),
    ("tracking.uri=file:///tmp/runs", "SQLite"),
]


@pytest.mark.parametrize(("mistake", "named"), MISTAKES, ids=[m[:30] for m, _ in MISTAKES])
def test_a_mistake_ends_as_one_line_before_any_work(
    mistake: str, named: str, refused: Refused, tmp_path: Path
) -> None:
    assert named in refused("-m", ONE, HERE, mistake)
    assert not (tmp_path / "mlruns").exists()


def test_a_mistake_ends_the_process_without_a_traceback(actscope: Run) -> None:
    done = actscope("-m", "lr=nan")
    assert done.returncode == 2
    assert done.stderr == "actscope: lr=nan: must be a finite number.\n"


def test_help_tells_how_to_sweep(train_here: RunHere, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        train_here("--help")
    assert end.value.code in (0, None)
    said = capsys.readouterr().out
    assert "python -m actscope sweep" in said
    assert "leaky_relu" in said
