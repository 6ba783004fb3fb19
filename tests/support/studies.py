"""A real store with real, tiny runs; each study shows one thing."""

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from actscope.analysis.frames import StudyRuns
from actscope.config import Activation, DataSource, OutcomeRule, Point, Tracking, Train, Trajectory
from actscope.engine.data import load_data
from actscope.engine.result import Outcome, RunResult
from actscope.engine.train import train_stack
from actscope.network_settings import Model
from actscope.report.cli import main
from actscope.report.explorer import explore
from actscope.report.figures import style
from actscope.report.process_pool import WorkerPool
from actscope.report.run_digests import read_digests
from actscope.sweep.worker import finish_run
from actscope.tracking import (
    Store,
    Sweep,
    begin_sweep,
    end_sweep,
    fail_run,
    open_store,
)
from tests.support.tracked import begin_run

RELU = Activation("relu", "torch.nn.ReLU")
ELU = Activation("elu", "torch.nn.ELU", (("alpha", 1.0),))
DIGITS = DataSource("digits")
MARKUP = "<script>alert('x')</script> | pipe"


def point(study: str, activation: Activation, lr: float, seed: int, epochs: int = 2) -> Point:
    return Point(
        study,
        activation,
        lr,
        seed,
        DIGITS,
        Model((4,)),
        Train(epochs),
        Trajectory("epoch"),
        OutcomeRule(0.01),  # four units learn little in two epochs
    )


class Lab:
    """Trains points, once each, and writes what came of them to a store."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = open_store(Tracking(f"sqlite:///{folder}/mlflow.db"))
        self.data = load_data(DIGITS)

    def sweep(self, study: str) -> Sweep:
        return begin_sweep(self.store, study, f"sweep-{study}", [])

    def train(self, points: Sequence[Point]) -> list[RunResult]:
        return train_stack(points, self.data)

    def log(self, sweep: Sweep, results: Sequence[RunResult]) -> list[str]:
        ids = []
        for result in results:
            run = begin_run(self.store, sweep, result.point, self.data)
            finish_run(self.store, run, result)
            assert run.run_id is not None
            ids.append(run.run_id)
        return ids

    def run(self, study: str, points: Sequence[Point]) -> list[str]:
        """Train points of one stack and finish their runs."""
        sweep = self.sweep(study)
        ids = self.log(sweep, self.train(points))
        end_sweep(self.store, sweep, "FINISHED")
        return ids


def explorer_of(store: Store, title: str, studies: Mapping[str, StudyRuns]) -> bytes:
    """The explorer's page on runs in a store, by the studies' names on it."""
    series = [read_digests(store, study, WorkerPool())[1] for study in studies.values()]
    return explore.build(title, studies, dict(ChainMap(*series)))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def grid(lab: Lab) -> str:
    """A complete study: 2 activations x 2 rates x 2 seeds."""
    study = "grid"
    sweep = lab.sweep(study)
    for seed in (0, 1):
        points = [point(study, a, lr, seed) for a in (RELU, ELU) for lr in (0.001, 0.01)]
        lab.log(sweep, lab.train(points))
    return study


@pytest.fixture(scope="session")
def averaged(lab: Lab) -> str:
    """A study like `grid`, but with the mean gradient, and at the rates 0.01 and 0.1."""
    study = "averaged"
    sweep = lab.sweep(study)
    for seed in (0, 1):
        points = [point(study, a, lr, seed) for a in (RELU, ELU) for lr in (0.01, 0.1)]
        mean = [replace(p, train=replace(p.train, reduction="mean")) for p in points]
        lab.log(sweep, lab.train(mean))
    return study


@pytest.fixture(scope="session")
def repeated(lab: Lab) -> tuple[str, str, str]:
    """A study whose only point was run twice: its name, the older and the newer run."""
    study = "repeated"
    sweep = lab.sweep(study)
    results = lab.train([point(study, RELU, 0.01, 0)])
    older, newer = lab.log(sweep, [*results, *results])
    return study, older, newer


@pytest.fixture(scope="session")
def broken(lab: Lab) -> tuple[str, str]:
    """A study in which one of two points failed, with markup in its reason; and that run."""
    study = "broken"
    lab.run(study, [point(study, RELU, 0.01, 0)])
    failed = begin_run(lab.store, lab.sweep(study), point(study, ELU, 0.01, 0), lab.data)
    fail_run(lab.store, failed, RuntimeError(MARKUP))
    assert failed.run_id is not None
    return study, failed.run_id


@pytest.fixture(scope="session")
def unfinished(lab: Lab) -> str:
    """A study with nothing but a run that is still open."""
    study = "unfinished"
    begin_run(lab.store, lab.sweep(study), point(study, RELU, 0.01, 0), lab.data)
    return study


@pytest.fixture(scope="session")
def epochs_vary(lab: Lab) -> str:
    """A study with one point at 1 epoch and the same at 2."""
    study = "epochs_vary"
    for epochs in (1, 2):
        lab.run(study, [point(study, RELU, 0.01, 0, epochs)])
    return study


@pytest.fixture(scope="session")
def diverged(lab: Lab) -> str:
    """A study with three seeds, of which seed 2 diverged in its second epoch."""
    study = "diverged"
    sweep = lab.sweep(study)
    for seed in (0, 1, 2):
        (result,) = lab.train([point(study, RELU, 0.01, seed)])
        if seed == 2:
            history = result.history[result.history["epoch"] <= 1]
            result = replace(result, outcome=Outcome.DIVERGED, diverged_at=20, history=history)
        lab.log(sweep, [result])
    return study


@contextmanager
def without_rendering() -> Iterator[None]:
    """Figures are drawn, but their files are empty: to make these takes most of a report's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "render", lambda _: {"png": b"", "svg": b""})
        patch.setattr(style, "render_slide", lambda _: b"")
        yield


@pytest.fixture
def unrendered() -> Iterator[None]:
    with without_rendering():
        yield


Refusal = Callable[[list[str], int], str]


@pytest.fixture
def refused(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Refusal:
    """`refused(words, code)`: the one line that the command says, ending with that exit code."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", lab.store.uri)

    def said(words: list[str], code: int) -> str:
        assert main(words) == code
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.startswith("actscope: ")
        assert output.err.count("\n") == 1
        return output.err

    return said
