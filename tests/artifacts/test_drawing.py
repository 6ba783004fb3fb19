"""A picture that cannot be drawn costs no run, and a report says why it cannot draw."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from actscope.artifacts import files
from actscope.config import Extras
from actscope.tracking import read_runs
from actscope.tracking.repair import find_damage
from actscope.tracking.run_record import logged_artifacts
from tests.support.tracked import STUDY, log_study, new_store, trained

PICTURE = "trajectories.svg"


@pytest.mark.slow
@pytest.mark.parametrize("settings", [b"# gr\xfcn\n", b"backend: Qt4Agg\n"])
def test_a_report_says_in_a_line_that_it_cannot_draw_or_it_draws(
    tmp_path: Path, settings: bytes
) -> None:
    (tmp_path / "matplotlibrc").write_bytes(settings)
    said = subprocess.run(
        [sys.executable, "-m", "actscope.report", f"tracking.uri=sqlite:///{tmp_path}/none.db"],
        env={**os.environ, "MPLBACKEND": "Qt4Agg"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    last = said.stderr.splitlines()[-1]
    drawing_fails = settings == b"# gr\xfcn\n"
    assert last.startswith("actscope: matplotlib cannot be imported") == drawing_fails
    assert "there is no store" in last or drawing_fails
    assert "Traceback" not in said.stderr


def raises(*_: object) -> None:
    raise RuntimeError("no such font\nand more")


def half_written(_: object, path: Path) -> None:
    path.write_bytes(b"half")
    raise MemoryError


@pytest.mark.parametrize("save", [raises, half_written])
def test_a_run_is_finished_without_a_picture_that_cannot_be_drawn(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    save: Callable[..., None],
) -> None:
    files._warn.cache_clear()
    monkeypatch.setattr("actscope.artifacts.trajectories_svg.save_trajectories", save)
    monkeypatch.setattr("actscope.artifacts.trajectories_html.save_trajectories", save)
    store = new_store(tmp_path)
    first, *_ = log_study(store, trained(2), extras=Extras(plotly=True))
    assert read_runs(store, STUDY)["status"].tolist() == ["FINISHED", "FINISHED"]
    logged = logged_artifacts(store.client.get_run(first).data.tags)
    assert logged is not None
    assert len(logged) == 7
    assert find_damage(store.artifact_path(STUDY, first, "."), logged) == ""
    told = [record.message for record in caplog.records]
    assert [line.partition(":")[0] for line in told] == [
        f"Runs are logged without {name}" for name in (PICTURE, "trajectories.html")
    ]
    assert not any("and more" in line for line in told)
