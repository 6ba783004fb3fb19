"""Packs: the tables of many runs in one file, which a reader of a server fetches at once."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from actscope import tracking
from actscope.analysis import frames
from actscope.analysis.study import load_study
from actscope.analysis.study_analysis import StudyAnalysis
from actscope.config import Tracking
from actscope.report import run_digests
from actscope.report.process_pool import WorkerPool
from actscope.sweep.worker import Task, train_and_track
from actscope.tracking import Store, packed_tables
from actscope.tracking.bundle.bundle import export_study, import_bundle
from tests.support.serving import Server, serving
from tests.support.tracked import STUDY, begin_sweep, new_store, trained

FILE = 2  # requests that a file costs: where its study is kept, and itself
READ = {
    "history": tracking.read_history,
    "trajectory": tracking.read_trajectory,
    "probe": tracking.read_probe,
    "layers": tracking.read_layers,
    "predictions": tracking.read_predictions,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a sweep of seven runs, three to a pack."""
    with (
        serving(tmp_path_factory.mktemp("packs") / "server") as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(packed_tables, "RUNS_A_PACK", 3)
        patch.setattr(packed_tables, "FEWEST", 2)
        # What takes long, and has no bearing here: metrics by the dozen.
        patch.setattr("actscope.artifacts.metrics.SERIES_UNITS", 1)
        train_study(server.store)
        yield server


@pytest.fixture(scope="module")
def runs(server: Server) -> pd.DataFrame:
    return frames.read_study(server.store, STUDY).used


def train_study(store: Store) -> None:
    sweep = begin_sweep(store, trained(7))
    train_and_track(Task([result.point for result in trained(7)], store, sweep), lambda _: None)
    tracking.end_sweep(store, sweep, "FINISHED")


def read_packed(store: Store, pack: str, run_ids: Sequence[str], table: str) -> list[pd.DataFrame]:
    group = packed_tables.RunGroup(pack, run_ids)
    return [
        frame for _, frame in tracking.read_run_group(store, STUDY, [table], READ[table], group)
    ]


def test_a_run_that_is_alone_in_the_end_has_none(runs: pd.DataFrame) -> None:
    sizes = runs[runs["pack"] != ""].groupby("pack").size()
    assert sizes.tolist() == [3, 3]
    assert (runs["pack"] == "").sum() == 1


@pytest.mark.parametrize("table", tracking.TABLES)
def test_a_pack_is_one_file_and_has_what_the_runs_own_files_have(
    server: Server, runs: pd.DataFrame, table: str
) -> None:
    own = [READ[table](server.store, STUDY, run_id) for run_id in runs["run_id"][:3]]
    (pack,) = set(runs["pack"][:3])
    before = len(server.requests())
    packed = read_packed(server.store, pack, runs["run_id"][:3], table)
    assert len(server.requests()) - before == FILE
    for alone, together, result in zip(own, packed, trained(7)[:3], strict=True):
        pd.testing.assert_frame_equal(together, alone, check_exact=True)
        pd.testing.assert_frame_equal(together, getattr(result, table), check_exact=True)


def test_any_reader_of_parquet_reads_the_packs_of_a_sweep_as_one_table(
    server: Server, runs: pd.DataFrame, tmp_path: Path
) -> None:
    sweep = runs["pack"].iloc[0].partition("/")[0]
    folder = server.store.client.download_artifacts(sweep, "runs/history", str(tmp_path))
    table = pd.read_parquet(folder)
    packed = runs[runs["pack"] != ""]
    assert sorted(table["run_id"].unique()) == sorted(packed["run_id"])
    last = table[table["split"] == "test"].groupby("run_id")["accuracy"].last()
    assert last[packed["run_id"]].tolist() == pytest.approx(packed["final"].tolist(), abs=1e-7)


def test_a_report_reads_the_same_with_packs_and_without(server: Server, runs: pd.DataFrame) -> None:
    study = frames.read_study(server.store, STUDY)
    without = replace(study, runs=study.runs.assign(pack=""))

    def read(chosen: frames.StudyRuns) -> tuple[StudyAnalysis, dict[str, str], int]:
        before = len(server.requests())
        analysis, series = run_digests.read_digests(server.store, chosen, WorkerPool())
        return analysis, series, len(server.requests()) - before

    (packed, series, few), (single, same_series, many) = read(study), read(without)
    assert (few, many) == (FILE * 4 * (2 + 1), FILE * 4 * 7)
    assert series == same_series
    assert series.keys() == set(runs["run_id"])
    for own, other in (
        (packed.runs_by_epoch, single.runs_by_epoch),
        (packed.units.fates, single.units.fates),
        (packed.units.inactive, single.units.inactive),
    ):
        assert len(own) > 0
        pd.testing.assert_frame_equal(own, other, check_exact=True)


def test_all_histories_of_a_study_come_by_their_packs(server: Server) -> None:
    study = load_study(STUDY, tracking_uri=server.store.uri)
    before = len(server.requests())
    histories = study.history
    assert len(server.requests()) - before == FILE * (2 + 1)
    assert histories["seed"].unique().tolist() == list(range(7))


def test_a_run_that_is_not_in_its_pack_is_read_from_its_own_files(
    server: Server, runs: pd.DataFrame
) -> None:
    of_another = runs["pack"].iloc[0]
    (found,) = read_packed(server.store, of_another, [runs["run_id"].iloc[5]], "history")
    pd.testing.assert_frame_equal(found, trained(7)[5].history)


def test_packs_that_somebody_removed_cost_only_their_speed(
    server: Server, runs: pd.DataFrame
) -> None:
    (folder,) = server.folder.glob("artifacts/*/*/artifacts/runs/history")
    shutil.move(folder, server.folder / "aside")
    found = read_packed(server.store, runs["pack"].iloc[0], runs["run_id"][:1], "history")
    shutil.move(server.folder / "aside", folder)
    pd.testing.assert_frame_equal(found[0], trained(7)[0].history)


def test_a_bundle_takes_none_along(server: Server, tmp_path: Path) -> None:
    export_study(server.store, STUDY, tmp_path / "study.zip")
    local = new_store(tmp_path / "local")
    import_bundle(tmp_path / "study.zip", Tracking(local.uri))
    assert set(frames.read_study(local, STUDY).runs["pack"]) == {""}
    assert not list(tmp_path.glob("local/**/runs"))


def test_a_server_is_asked_for_some_attempts_alone(server: Server) -> None:
    experiment_id = server.store.find_experiment(STUDY).experiment_id
    everyone = tracking.read_summaries(server.store, experiment_id)
    points = [attempt for attempt in everyone if not attempt.is_sweep]
    (stack,) = {attempt.tags["stack"] for attempt in points}

    def asked(**words: Any) -> list[tracking.RunSummary]:
        return tracking.read_summaries(server.store, experiment_id, **words)

    assert asked(tags={tracking.STACK: stack, "actscope.sweep": "s1"}) == points
    assert asked(tags={tracking.STACK: "another"}) == []
    assert asked(is_unfinished=True) == []


def test_what_a_server_does_not_take_is_told_and_no_failure(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    results = dict(zip("abcdef", trained(7), strict=False))
    sweep = tracking.Sweep("s", STUDY, "1", "0" * 32)
    with caplog.at_level(logging.WARNING, "actscope"):
        assert tracking.log_packed_tables(server.store, sweep, results) == {}
    (told,) = caplog.messages
    assert "the tables of some runs are not packed" in told


def test_a_store_on_this_machine_has_none(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    train_study(store)
    assert set(frames.read_study(store, STUDY).runs["pack"]) == {""}
    assert not list(tmp_path.glob("**/runs"))
