"""A run as files, and its way into a store that is there."""

import json
import math
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from actscope import tracking
from actscope.artifacts.metrics import epoch_metrics
from actscope.engine.data import load_data
from actscope.errors import BundleError
from actscope.sweep.worker import finish_run
from actscope.tracking import Store, local_store, offline_queue, run_record, run_writer
from actscope.tracking.local_store import LocalStore
from actscope.tracking.run_record import (
    RunRecord,
    from_json,
    read_record,
    safe_path,
    to_json,
    write_record,
)
from actscope.tracking.sqlite_rows import SqliteRows
from tests.support.tracked import (
    STUDY,
    assert_as_logged,
    begin,
    begin_run,
    begin_sweep,
    log,
    new_store,
    trained,
)

RECORD = RunRecord(
    id="a1",
    study=STUDY,
    name="relu lr=0.01 seed=0",
    status="FINISHED",
    started=1,
    ended=2,
    tags={"actscope.kind": "point"},
    params={"lr": "0.01"},
    metrics=(
        ("test/loss", math.nan, 5, 1),
        ("test/loss", math.inf, 5, 2),
        ("test/loss", -math.inf, 5, 3),
        ("test/loss", 0.1 + 0.2, 5, 4),
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "artifacts" / "deep").mkdir(parents=True)
    (tmp_path / "artifacts" / "deep" / "a.txt").write_text("abc")
    sha256 = run_record.sha256_of_file(tmp_path / "artifacts" / "deep" / "a.txt")
    record = replace(RECORD, artifacts={"deep/a.txt": sha256})
    write_record(record, tmp_path / "artifacts", tmp_path / "record")
    return tmp_path / "record"


class TestFiles:
    def test_a_parcel_is_read_back_to_the_last_bit(self) -> None:
        back = from_json(to_json(RECORD).encode(), "here")
        assert math.isnan(back.metrics[0][1])
        assert back.metrics[1:] == RECORD.metrics[1:]
        assert replace(back, metrics=()) == replace(RECORD, metrics=())
        assert to_json(back) == to_json(RECORD)

    def test_what_is_not_finite_is_still_json(self) -> None:
        fields = json.loads(to_json(RECORD), parse_constant=lambda word: pytest.fail(word))
        values = [value for _, value, _, _ in fields["metrics"]]
        assert values == ["nan", "inf", "-inf", 0.30000000000000004]

    def test_artifacts_go_along_with_their_hashes(self, folder: Path) -> None:
        record = read_record(folder)
        # of "abc", as FIPS 180 gives it
        assert record.artifacts["deep/a.txt"].startswith("ba7816bf8f01cfea414140de5dae2223b00361")
        assert (folder / "artifacts" / "deep" / "a.txt").read_text() == "abc"

    def test_a_changed_artifact_is_named(self, folder: Path) -> None:
        (folder / "artifacts" / "deep" / "a.txt").write_text("abd")
        with pytest.raises(BundleError, match=r"deep/a\.txt is not the file that was logged"):
            read_record(folder)

    def test_a_missing_artifact_is_named(self, folder: Path) -> None:
        shutil.rmtree(folder / "artifacts")
        with pytest.raises(BundleError, match=r"deep/a\.txt is missing"):
            read_record(folder)

    def test_a_link_is_no_artifact(self, folder: Path) -> None:
        (folder / "artifacts" / "passwd").symlink_to("/etc/passwd")
        with pytest.raises(BundleError, match="is a link"):
            read_record(folder)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"format": 2}, "has format 2; this actscope reads format 1"),
            ({"format": None}, "has format None"),
            ({"status": "DONE"}, "status: "),
            ({"study": "../up"}, "study: "),
            ({"surprise": 1}, "surprise: "),
            ({"id": "../../up"}, "id: "),
            ({"artifacts": {"../up": "0" * 64}}, "not a safe relative path"),
            ({"metrics": [["loss", "much", 0, 0]]}, "metrics.0.1: "),
        ],
    )
    def test_what_is_no_parcel_is_told_in_a_line(self, change: dict[str, Any], told: str) -> None:
        text = json.dumps({**json.loads(to_json(RECORD)), **change}).encode()
        with pytest.raises(BundleError, match=told) as error:
            from_json(text, "run.json")
        assert len(str(error.value).splitlines()) == 1

    @pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
    def test_what_is_no_json_object_is_told_in_a_line(self, text: bytes) -> None:
        with pytest.raises(BundleError, match=r"run\.json: is not a JSON object"):
            from_json(text, "run.json")


@pytest.mark.parametrize(
    "path", ["a", "a/b.txt", ".hidden", "layer1/unit 3 (b).png", "ü", "console", "com10", "50%"]
)
def test_a_path_that_stays_inside_is_safe(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "/a", "a/", "a//b", "..", "a/../b", ".", "a/./b", "...", "C:/a", "C:a", "a\\b"),
        *("a\nb", "a\0", "a" * 101, "a/" * 125 + "a", "\U0001d552" * 64),
        *("a.", "a ", "a/b. /c", "CON", "con.txt", "a/NUL.tar.gz", "Aux .x", "com1", "LPT\u00b9"),
        *("a%2e", "%2E%2e/x", "e\u0301"),
    ],
)
def test_a_path_that_may_not_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a safe relative path"):
        safe_path(path)


class TestFinishing:
    def test_a_run_holds_the_hashes_of_its_artifacts(self, store: Store) -> None:
        result = trained()[0]
        run_id = log(store, begin_sweep(store, [result]), result)
        assert_as_logged(store, run_id)
        tag = store.client.get_run(run_id).data.tags["actscope.artifacts"]
        assert tag.startswith('{"config.yaml":"')
        assert ", " not in tag
        assert len(tag) < 8000

    def test_the_status_comes_last_and_artifacts_first(
        self, store: Store, calls: list[str]
    ) -> None:
        result = trained()[0]
        run = begin(store, begin_sweep(store, [result]), result)
        calls.clear()
        finish_run(store, run, result)
        assert calls == ["log_artifacts", "end_run"]

    def test_by_mlflows_client_as_well(
        self, store: Store, calls: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local_store, "TESTED_SCHEMAS", set())
        result = trained()[0]
        run = begin(store, begin_sweep(store, [result]), result)
        calls.clear()
        finish_run(store, run, result)
        assert calls == ["log_artifacts", "log_batch", "set_terminated"]

    def test_many_metrics_go_a_thousand_at_a_time_the_tags_with_the_last(
        self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local_store, "TESTED_SCHEMAS", set())
        result = trained()[0]
        run = begin(store, begin_sweep(store, [result]), result)
        assert run.run_id is not None
        rows = [("test/loss", float(step), step) for step in range(2345)]
        batches = []
        log_batch = MlflowClient.log_batch

        def noting(client: MlflowClient, run_id: str, **entities: Any) -> None:
            batches.append({kind: len(list(given)) for kind, given in entities.items()})
            log_batch(client, run_id, **entities)

        monkeypatch.setattr(MlflowClient, "log_batch", noting)
        (tmp_path / "files").mkdir()
        monkeypatch.setattr(run_writer, "run_metrics", lambda *_: rows)
        tracking.finish_run(store, run, result, tmp_path / "files")
        *ahead, last = batches
        assert [batch["metrics"] for batch in ahead] == [1000, 2345 - 1000 - last["metrics"]]
        assert sum(last.values()) == 1000
        history = store.client.get_metric_history(run.run_id, "test/loss")
        assert sorted(metric.step for metric in history) == list(range(2345))

    def test_another_process_may_finish_what_one_began(self, store: Store) -> None:
        result = trained()[0]
        begun = begin(store, begin_sweep(store, [result]), result)
        history = result.history
        tracking.show_progress(store, begun, epoch_metrics(history[history["epoch"] <= 1]))
        run = pickle.loads(pickle.dumps(begun))  # noqa: S301 - our own
        assert run.shown
        assert vars(run) == vars(begun)
        finish_run(store, run, result)
        assert_as_logged(store, run.run_id)
        told = store.client.get_metric_history(run.run_id, "test/accuracy")
        assert [metric.step for metric in told] == [1, 2, 3]
        row = tracking.read_runs(store, STUDY).iloc[0]
        assert (row["status"], row["params.lr"], row["sweep"]) == ("FINISHED", "0.01", "s1")

    def test_what_a_store_that_is_there_refuses_is_kept(self, store: Store) -> None:
        result = trained()[0]
        sweep = begin_sweep(store, [result])
        run = begin(store, sweep, result)
        store.client.delete_run(run.run_id)
        finish_run(store, run, result)
        nowhere = replace(sweep, experiment_id="77")
        unknown = begin_run(store, nowhere, result.point, load_data(result.point.data))
        assert unknown.run_id is None
        finish_run(store, unknown, result)
        assert len(offline_queue.read_queue(store).waiting) == 2


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is called to write, in order."""
    made: list[str] = []

    def note(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def noting(*arguments: Any, **settings: Any) -> Any:
            made.append(name)
            return original(*arguments, **settings)

        monkeypatch.setattr(owner, name, noting)

    for name in ("create_run", "log_batch", "log_inputs", "set_tag", "set_terminated"):
        note(MlflowClient, name)
    note(LocalStore, "log_artifacts")
    note(SqliteRows, "end_run")
    return made
