"""Pictures are drawn in a style of our own, and one that cannot be drawn costs no run."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from actscope.artifacts import files, trajectories_png
from actscope.config import Extras
from actscope.tracking import read_runs
from actscope.tracking.repair import find_damage
from actscope.tracking.run_record import logged_artifacts
from tests.support.tracked import STUDY, log_study, new_store, trained

SETTINGS = """\
text.usetex: True
backend: QtAgg
font.size: 30
lines.linewidth: 9
figure.dpi: 20
axes.prop_cycle: cycler(color=["r"])
image.cmap: nothing_of_that_name
"""
# Writes a run's files into a folder; the log is what a person sees.
WRITE = """
import logging, pickle, sys
from pathlib import Path
logging.basicConfig(format="%(message)s", level=logging.WARNING)
from actscope.artifacts import files
for number, result in enumerate(pickle.loads((Path(sys.argv[1]) / "results").read_bytes())):
    folder = Path(sys.argv[1]) / str(number)
    folder.mkdir()
    files.write(result, folder)
"""
PICTURE = "trajectories.png"


def written(
    folder: Path, settings: bytes, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """What a process says that writes the files of two runs where matplotlib is set up so."""
    (folder / "matplotlibrc").write_bytes(settings)
    (folder / "results").write_bytes(pickle.dumps(trained(2)))
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", WRITE, str(folder)],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        cwd=folder,  # whose matplotlibrc matplotlib reads first
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_user_s_settings_do_not_reach_a_picture(tmp_path: Path) -> None:
    said = written(tmp_path, SETTINGS.encode(), MPLBACKEND="Qt4Agg", PATH="/usr/bin:/bin")
    assert "cannot be drawn" not in said.stderr
    for number, result in enumerate(trained(2)):
        trajectories_png.save_trajectories(result, tmp_path / PICTURE)
        assert (tmp_path / str(number) / PICTURE).read_bytes() == (tmp_path / PICTURE).read_bytes()


@pytest.mark.slow
def test_runs_are_whole_but_for_the_picture_where_matplotlib_cannot_be_imported(
    tmp_path: Path,
) -> None:
    said = written(tmp_path, "# gr\u00fcn\n".encode("latin-1"))
    told = [line for line in said.stderr.splitlines() if "Runs are logged" in line]
    assert len(told) == 1
    assert told[0].startswith(f"Runs are logged without {PICTURE}: it cannot be drawn (")
    assert "Traceback" not in said.stderr
    for number in ("0", "1"):
        assert sorted(path.name for path in (tmp_path / number).iterdir()) == [
            *("config.yaml", "history.parquet", "model.safetensors"),
            *("probe.parquet", "trajectory.parquet"),
        ]


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
    monkeypatch.setattr("actscope.artifacts.trajectories_png.save_trajectories", save)
    monkeypatch.setattr("actscope.artifacts.trajectories_html.save_trajectories", save)
    store = new_store(tmp_path)
    first, *_ = log_study(store, trained(2), extras=Extras(plotly=True))
    assert read_runs(store, STUDY)["status"].tolist() == ["FINISHED", "FINISHED"]
    logged = logged_artifacts(store.client.get_run(first).data.tags)
    assert logged is not None
    assert len(logged) == 5
    assert find_damage(store.artifact_path(STUDY, first, "."), logged) == ""
    told = [record.message for record in caplog.records]
    assert [line.partition(":")[0] for line in told] == [
        f"Runs are logged without {name}" for name in (PICTURE, "trajectories.html")
    ]
    assert not any("and more" in line for line in told)
