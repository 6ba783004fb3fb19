"""A study's report among the artifacts of its newest sweep."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from actscope import tracking
from actscope.commands.main import main
from actscope.config import Tracking
from actscope.errors import StoreError
from actscope.tracking import Store
from actscope.tracking.bundle import bundle as bundle_bundle
from tests.support.serving import serving
from tests.support.stores import store_at
from tests.support.tracked import STUDY, begin_sweep, log, log_study, new_store, trained

PAGES = {"index.html": b"<p>a page</p>", "explore.html": bytes(range(256)) * 1000}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


def attached(store: Store, run_id: str | None) -> dict[str, bytes]:
    """The files of a report that a sweep's run has."""
    assert run_id is not None
    if not store.client.list_artifacts(run_id, "report"):
        return {}
    with TemporaryDirectory() as folder:
        paths = Path(store.client.download_artifacts(run_id, "report", folder)).iterdir()
        return {path.name: path.read_bytes() for path in paths}


def test_the_newest_sweep_has_it_and_an_older_one_keeps_its_own(store: Store) -> None:
    older = begin_sweep(store, trained()[:1]).parent_run_id
    tracking.ui.attach_report(store, STUDY, {"index.html": b"of yesterday"})
    newer = begin_sweep(store, trained()[:1], "s2").parent_run_id
    tracking.ui.attach_report(store, STUDY, {"index.html": b"of the morning"})
    tracking.ui.attach_report(store, STUDY, PAGES)
    assert attached(store, newer) == PAGES
    assert attached(store, older) == {"index.html": b"of yesterday"}


def test_a_point_that_was_run_alone_gets_none(store: Store) -> None:
    alone = tracking.Sweep("s1", STUDY, store.ensure_experiment(STUDY), None)
    run_id = log(store, alone, trained()[0])
    tracking.ui.attach_report(store, STUDY, PAGES)
    assert attached(store, run_id) == {}


def test_it_is_where_the_store_lies_now(store: Store, tmp_path: Path) -> None:
    parent = begin_sweep(store, trained()[:1]).parent_run_id
    (tmp_path / "mlruns").rename(tmp_path / "moved")
    moved = store_at(f"sqlite:///{tmp_path}/moved/mlflow.db")
    tracking.ui.attach_report(moved, STUDY, PAGES)
    assert not (tmp_path / "mlruns").exists()
    page = moved.artifact_path(STUDY, str(parent), "report/index.html")
    assert page.read_bytes() == PAGES["index.html"]


def test_a_place_that_takes_none_is_told_and_left_as_it_was(store: Store) -> None:
    parent = str(begin_sweep(store, trained()[:1]).parent_run_id)
    folder = store.artifact_path(STUDY, parent, ".").parent
    (folder / "artifacts" / "report").touch()
    before = sorted(folder.rglob("*"))
    with pytest.raises(StoreError, match=r"cannot be used: \[Errno 17\] File exists"):
        tracking.ui.attach_report(store, STUDY, PAGES)
    assert sorted(folder.rglob("*")) == before


def test_neither_a_doctor_nor_a_bundle_minds_it(store: Store, tmp_path: Path) -> None:
    log_study(store, trained())
    bundle_bundle.export_study(store, STUDY, tmp_path / "before.zip")
    tracking.ui.attach_report(store, STUDY, PAGES)
    assert main(["doctor", f"tracking.uri={store.uri}"]) == 0
    bundle_bundle.export_study(store, STUDY, tmp_path / "after.zip")
    assert (tmp_path / "after.zip").read_bytes() == (tmp_path / "before.zip").read_bytes()

    other = new_store(tmp_path / "other")
    bundle_bundle.import_bundle(tmp_path / "after.zip", Tracking(other.uri))
    tracking.ui.attach_report(other, STUDY, PAGES)
    assert main(["doctor", f"tracking.uri={other.uri}"]) == 0
    bundle_bundle.export_study(other, STUDY, tmp_path / "back.zip")


def test_a_server_takes_it_while_it_is_there(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as server:
        parent = begin_sweep(server.store, trained()[:1]).parent_run_id
        for page in (b"of the morning", PAGES["index.html"]):
            tracking.ui.attach_report(server.store, STUDY, {**PAGES, "index.html": page})
        assert attached(server.store, parent) == PAGES
        server.kill()
        with pytest.raises(StoreError, match="does not answer"):
            tracking.ui.attach_report(server.store, STUDY, PAGES)
