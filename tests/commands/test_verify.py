"""A recorded run, held against what its point gives when it is trained again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from actscope import tracking
from actscope.artifacts.parquet import write_parquet
from actscope.commands import verify
from actscope.commands.main import main
from actscope.commands.settings import VerifySettings
from actscope.config import Point, Tracking
from actscope.engine.data import load_data
from actscope.engine.images import tensor_sha256
from actscope.engine.train import train_stack
from actscope.tracking import Store
from tests.support.copied import copy_store
from tests.support.making import BN_RELU, make_point
from tests.support.tracked import STUDY, begin, begin_sweep, log, log_study, new_store

POINT = make_point(hidden=(3,), epochs=2, batch_size=200, every=4)
RESULT = train_stack([POINT], load_data(POINT.data))[0]
# Of the parts that a run tells of what it was trained on, one as it is nowhere.
FOREIGN = '{"python": "2.7", "torch": "0.1", "numpy": "0.2", "processor": "abacus"}'


class Auditor:
    """A store with one run of a tiny network, and what its verification said last."""

    def __init__(self, store: Store, run_id: str, said: Callable[[], str]) -> None:
        self.store = store
        self.run_id = run_id
        self._said = said

    def artifact(self, name: str) -> Path:
        return self.store.artifact_path(STUDY, self.run_id, name)

    def tag(self, name: str, value: str) -> None:
        self.store.client.set_tag(self.run_id, f"actscope.{name}", value)

    def change(self, name: str, row: int, column: str, value: float) -> float:
        """Write another number into a table; what was there."""
        table = pd.read_parquet(self.artifact(name))
        before = float(table[column].iloc[row])
        table.loc[row, column] = np.float32(value)
        write_parquet(table, self.artifact(name))
        return before

    def verify(self, *words: str, study: str = STUDY) -> tuple[int, str]:
        code = main(["verify", f"study={study}", f"tracking.uri={self.store.uri}", *words])
        return code, self._said()

    def refusal(self, *words: str, study: str = STUDY) -> str:
        """The one line of a verification that cannot be."""
        code, said = self.verify(*words, study=study)
        assert code in (1, 2)
        assert said.startswith("actscope: ")
        assert len(said.splitlines()) == 1
        return said


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("studied")
    (run_id,) = log_study(new_store(folder), [RESULT])
    return folder, run_id


@pytest.fixture
def auditor(
    studied: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Auditor:
    def said() -> str:
        out, err = capsys.readouterr()
        return out + err

    folder, run_id = studied
    return Auditor(copy_store(folder, tmp_path), run_id, said)


class TestIdentical:
    def test_is_a_run_that_was_left_alone(self, auditor: Auditor) -> None:
        code, said = auditor.verify()
        trajectory = tracking.read_trajectory(auditor.store, STUDY, auditor.run_id)
        sha256 = tensor_sha256(trajectory[column].to_numpy() for column in trajectory)
        assert code == 0
        assert said == (
            f"identical: run {auditor.run_id}, relu lr=0.01 seed=0: "
            f"SHA-256 of the trajectory's numbers {sha256}\n"
        )

    @pytest.mark.parametrize(
        "point",
        [
            make_point(BN_RELU, hidden=(3,), epochs=1, batch_size=200),
            make_point(lr=1e20, hidden=(3,), epochs=1, batch_size=200),
            make_point(lr=1e10, hidden=(3,), epochs=1, batch_size=200, probe_every=1),
        ],
        ids=["with batch normalisation", "diverged", "with layers whose cosine is missing"],
    )
    def test_is_a_run_of_any_kind(self, auditor: Auditor, point: Point) -> None:
        (result,) = train_stack([point], load_data(point.data))
        (run_id,) = log_study(auditor.store, [result], "s2")
        code, said = auditor.verify(f"run={run_id}")
        assert code == 0
        assert said.startswith(f"identical: run {run_id}, {point}: ")

    def test_may_be_a_run_of_an_older_version(self, auditor: Auditor) -> None:
        for name in ("layers.parquet", "predictions.parquet"):
            auditor.artifact(name).unlink()
        code, _ = auditor.verify()
        assert code == 0

    def test_may_be_a_run_of_other_code(self, auditor: Auditor) -> None:
        auditor.tag("signature.code", "0" * 64)
        code, said = auditor.verify()
        assert code == 0
        assert said.splitlines()[1] == "changed since its training: code"


class TestDifferent:
    def test_is_a_changed_number_of_a_table(self, auditor: Auditor) -> None:
        before = auditor.change("trajectory.parquet", 5, "bias", 2.0)
        code, said = auditor.verify()
        # Rows are units of a layer: three hidden ones, then the outputs.
        assert code == 1
        assert said.startswith(f"different: run {auditor.run_id}, relu lr=0.01 seed=0: ")
        assert "trajectory.parquet: 1 of " in said
        assert f"differ by up to {2 - before:.3g} (first bias: 2.0 then, " in said
        assert "at step 0, layer 2, unit 2)" in said

    def test_is_told_by_the_first_and_the_largest(self, auditor: Auditor) -> None:
        small = auditor.change("history.parquet", 1, "loss", 0.5)
        large = auditor.change("history.parquet", 3, "accuracy", 64.0)
        _, said = auditor.verify()
        assert "history.parquet: 2 of " in said
        assert small != 0.5
        assert f"differ by up to {64 - large:.3g} (first loss: 0.5 then, " in said

    def test_is_a_zero_of_another_sign(self, auditor: Auditor) -> None:
        outputs = len(pd.read_parquet(auditor.artifact("probe.parquet"))) - 1
        assert auditor.change("probe.parquet", outputs, "zero", -0.0) == 0.0
        code, said = auditor.verify()
        assert code == 1
        assert "differ by up to 0 (first zero: -0.0 then, 0.0 now" in said

    def test_is_a_changed_tensor(self, auditor: Auditor) -> None:
        path = auditor.artifact("model.safetensors")
        tensors = load_file(path)
        tensors["layer1.weight"][2, 1] = torch.nan
        save_file(tensors, path)
        code, said = auditor.verify()
        assert code == 1
        assert "model.safetensors: 1 of " in said
        assert "differ by up to inf (first layer1.weight: nan then, " in said
        assert "at [2, 1])" in said

    def test_is_a_table_of_fewer_rows(self, auditor: Auditor) -> None:
        path = auditor.artifact("history.parquet")
        write_parquet(pd.read_parquet(path).iloc[:-1], path)
        rows = len(RESULT.history)
        _, said = auditor.verify()
        assert f"history.parquet has a different shape: step was int32[{rows - 1}], is" in said

    @pytest.mark.parametrize("name", ["trajectory.parquet", "model.safetensors"])
    @pytest.mark.parametrize("content", [None, b"nonsense"])
    def test_is_a_file_that_cannot_be_read(
        self, auditor: Auditor, name: str, content: bytes | None
    ) -> None:
        auditor.artifact(name).unlink()
        if content is not None:
            auditor.artifact(name).write_bytes(content)
        code, said = auditor.verify()
        assert code == 1
        assert len(said.splitlines()) == 1
        assert f"{name} cannot be read" in said

    def test_may_come_from_what_has_changed_since(self, auditor: Auditor) -> None:
        auditor.change("history.parquet", 0, "loss", 2.0)
        auditor.tag("signature.data", "0" * 64)
        auditor.tag("platform", FOREIGN)
        auditor.tag("host", "another-machine")
        _, said = auditor.verify()
        changes = said.splitlines()[1]
        assert changes.startswith("changed since its training: data, python (2.7 then, 3.")
        assert f"torch (0.1 then, {torch.__version__} now)" in changes
        assert "the machine (another-machine then, " in changes

    def test_may_come_from_what_the_run_does_not_tell(self, auditor: Auditor) -> None:
        auditor.change("history.parquet", 0, "loss", 2.0)
        auditor.store.client.delete_tag(auditor.run_id, "actscope.platform")
        _, said = auditor.verify()
        assert "possibly versions of libraries, which the run does not record" in said


def test_a_run_of_an_older_version_has_the_defaults_of_settings_that_came_later(
    auditor: Auditor,
) -> None:
    path = auditor.artifact("config.yaml")
    settings = yaml.safe_load(path.read_text())
    for name in ("train_size", "scale", "noise"):
        del settings["data"][name]
    path.write_text(yaml.safe_dump(settings))
    code, said = auditor.verify()
    assert code == 0
    assert said.startswith("identical: ")


class TestRefused:
    def test_is_a_study_that_is_not_there(self, auditor: Auditor) -> None:
        assert f"only these: {STUDY}" in auditor.refusal(study="nothing")

    def test_is_a_study_without_a_finished_run(self, auditor: Auditor) -> None:
        auditor.store.client.set_terminated(auditor.run_id, "FAILED")
        assert "none of its 1 runs is finished" in auditor.refusal()

    def test_is_a_run_that_is_not_there(self, auditor: Auditor) -> None:
        assert "run=nothing: tracking store " in auditor.refusal("run=nothing")

    def test_is_a_run_of_another_study(self, auditor: Auditor) -> None:
        auditor.store.ensure_experiment("other")
        said = auditor.refusal(f"run={auditor.run_id}", study="other")
        assert f"run={auditor.run_id}: belongs to study {STUDY}. Give study={STUDY}." in said

    def test_is_a_run_that_did_not_finish(self, auditor: Auditor) -> None:
        run = begin(auditor.store, begin_sweep(auditor.store, [RESULT], "s2"), RESULT)
        assert "is RUNNING. Give a finished run." in auditor.refusal(f"run={run.run_id}")

    def test_is_a_sweep(self, auditor: Auditor) -> None:
        sweep = begin_sweep(auditor.store, [RESULT], "s2")
        assert "is a sweep" in auditor.refusal(f"run={sweep.parent_run_id}")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (None, "config.yaml cannot be read"),
            ("[1, 2", "config.yaml cannot be read"),
            ("", "config.yaml cannot be read"),
            ("[1, 2]", "config.yaml cannot be read"),
            ("lr: 1", "config.yaml of run"),
        ],
    )
    def test_is_a_run_without_its_settings(
        self, auditor: Auditor, content: str | None, reason: str
    ) -> None:
        path = auditor.artifact("config.yaml")
        path.unlink()
        if content is not None:
            path.write_text(content)
        assert reason in auditor.refusal()


def test_one_of_the_finished_runs_is_chosen(auditor: Auditor) -> None:
    sweep = begin_sweep(auditor.store, [RESULT], "s2")
    finished = {auditor.run_id, log(auditor.store, sweep, RESULT)}
    begin(auditor.store, sweep, RESULT)
    settings = VerifySettings(Tracking(auditor.store.uri), STUDY)
    experiment_id = auditor.store.find_experiment(STUDY).experiment_id
    attempts = tracking.read_summaries(auditor.store, experiment_id)
    chosen = {verify.choose_run(auditor.store, settings, attempts).run_id for _ in range(50)}
    assert chosen == finished
