"""Runs that somebody has edited, or whose files are damaged: a report goes on without them."""

import math
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from actscope.analysis.claims.claims import Evidence, judge, read_claims
from actscope.analysis.claims.records import stored_records
from actscope.analysis.frames import StudyRuns, read_study
from actscope.analysis.run_tables import UnreadableRunError, read_run_table
from actscope.errors import ReportError, StoreError
from actscope.report.cli import main
from actscope.report.figures import style
from actscope.report.process_pool import WorkerPool
from actscope.report.run_digests import read_digests
from actscope.tracking import read_runs
from tests.report.test_report import contents
from tests.support.stores import store_at
from tests.support.studies import RELU, Lab, Refusal, point

STUDY = "odd"
PARAMETERS = {
    "activation": ["", " ", "<b>x</b>", "\u00e4", "a/b", "../x", "x" * 6000, None],
    "activation.batch_norm": ["", "yes", "1"],
    "activation.function.alpha": ["x" * 100],
    "activation.function._target_": ["x" * 500],
    "data": ["", "cifar"],
    "lr": ["", "abc", "nan", "inf", "-inf", "-1", "0", "1e999", "0,01", "\u0661", None],
    "model.hidden": ["", "[", "[]", "64", "[[4]]", "[-1]", "(" * 3000, "-" * 5000 + "1", "{}"],
    "seed": ["", "abc", "1.5", "1e3", "-1", str(2**63), "9" * 5000, "nan", "True", None],
    "train.epochs": ["", "0", "-2", "x", "2.5"],
    "train.reduction": ["max"],
    "trajectory.every": ["x", "0"],
}
TAGS = {"outcome": ["", "won", "LEARNED", None]}
METRICS = {
    "test/accuracy_final": [5.0, -0.1, math.nan, 1.797e308, None],
}
Edit = tuple[str, str, str | float | None]
EDITS: list[Edit] = [
    *(("params", name, value) for name, values in PARAMETERS.items() for value in values),
    *(("tags", f"actscope.{name}", value) for name, values in TAGS.items() for value in values),
    *(("latest_metrics", name, value) for name, values in METRICS.items() for value in values),
]


class Bench:
    """A store of which each test has a copy: a study of one cell with two seeds."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        assert lab.store.folder is not None
        shutil.copy(lab.store.folder / "mlflow.db", folder / "mlflow.db")
        place = Path("artifacts") / STUDY
        shutil.copytree(lab.store.folder / place, folder / place)
        self.folder = folder
        self.store = store_at(f"sqlite:///{folder}/mlflow.db")
        self.study = read_study(self.store, STUDY)
        self.first, self.last = self.study.used["run_id"]

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as database, database:
            yield database

    def edit(self, run_id: str, table: str, key: str, value: object) -> None:
        """Set what a run holds under a key, or delete it: None."""
        with self.database() as database:
            where = "WHERE run_uuid = ? AND key = ?"
            database.execute(f"DELETE FROM {table} {where}", (run_id, key))  # noqa: S608 - fixed words
            if value is None:
                return
            row = {"run_uuid": run_id, "key": key, "value": value}
            if table == "latest_metrics":
                is_nan = isinstance(value, float) and math.isnan(value)
                row |= {"value": 0 if is_nan else value, "timestamp": 0, "step": 0}
                row |= {"is_nan": is_nan}
            marks = ", ".join("?" * len(row))
            names = ", ".join(row)
            into = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - fixed words
            database.execute(into, [*row.values()])

    def copy(self, run_id: str) -> str:
        """Another run of the same point, finished later."""
        new = uuid.uuid4().hex
        with self.database() as database:
            for table in ("runs", "params", "tags", "latest_metrics"):
                columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                chosen = ", ".join("?" if name == "run_uuid" else name for name in columns)
                same = f"INSERT INTO {table} SELECT {chosen} FROM {table} WHERE run_uuid = ?"  # noqa: S608 - fixed words
                database.execute(same, (new, run_id))
            database.execute("UPDATE runs SET end_time = end_time + 9 WHERE run_uuid = ?", (new,))
        shutil.copytree(self.path(run_id), self.path(new))
        return new

    def delete(self, run_id: str) -> None:
        self.store.client.delete_run(run_id)

    def path(self, run_id: str) -> Path:
        return self.folder / "artifacts" / STUDY / run_id

    def artifact(self, run_id: str, name: str) -> Path:
        return self.store.artifact_path(STUDY, run_id, name)

    def report(self, name: str) -> Path:
        words = [f"study={STUDY}", f"tracking.uri={self.store.uri}", "report.attach=false"]
        assert main([*words, f"report.folder={self.folder / name}"]) == 0
        return self.folder / name / STUDY


@pytest.fixture(scope="module")
def trained(lab: Lab) -> Lab:
    lab.run(STUDY, [point(STUDY, RELU, 0.01, seed) for seed in (0, 1)])
    return lab


@pytest.fixture
def bench(trained: Lab, tmp_path: Path) -> Bench:
    return Bench(trained, tmp_path)


def why(runs: StudyRuns, run_id: str) -> str:
    return str(runs.runs.set_index("run_id").loc[run_id, "why"])


def assert_same_but_for(runs: StudyRuns, odd: list[str], expected: StudyRuns) -> None:
    for name in ("used", "cells", "missing"):
        pd.testing.assert_frame_equal(
            getattr(runs, name).reset_index(drop=True),
            getattr(expected, name).reset_index(drop=True),
        )
    pd.testing.assert_frame_equal(runs.params.drop(index=odd), expected.params)


@pytest.fixture(scope="module")
def edited(trained: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[Edit, str]:
    """Why a run is left out that is edited so; each edit has a later run of the same point."""
    bench = Bench(trained, tmp_path_factory.mktemp("edited"))
    odd = {edit: bench.copy(bench.first) for edit in EDITS}
    for edit, run_id in odd.items():
        bench.edit(run_id, *edit)
    runs = read_study(bench.store, STUDY)
    assert_same_but_for(runs, list(odd.values()), bench.study)
    return {edit: why(runs, run_id) for edit, run_id in odd.items()}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: ascii(edit[1:])[:40])
def test_a_run_that_was_edited_is_left_out_with_its_reason(
    edited: dict[Edit, str], edit: Edit
) -> None:
    reason = edited[edit]
    assert reason.startswith("FINISHED, but ")
    assert len(reason) < 200
    if edit[0] == "params" and edit[2] is not None:
        assert reason.startswith(f"FINISHED, but cannot be read: {edit[1]}")


def test_an_unfinished_run_that_was_edited_makes_no_variant_and_no_gap(bench: Bench) -> None:
    odd = bench.copy(bench.first)
    bench.edit(odd, "params", "model.hidden", "[")
    bench.edit(odd, "params", "seed", "7")
    with bench.database() as database:
        database.execute("UPDATE runs SET status = 'RUNNING' WHERE run_uuid = ?", (odd,))
    runs = read_study(bench.store, STUDY)
    assert_same_but_for(runs, [odd], bench.study)
    assert why(runs, odd) == "still RUNNING"


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("latest_metrics", "lr", 5.0),
        ("latest_metrics", "seed", 7.0),
        ("latest_metrics", "flops", 123.0),
        ("latest_metrics", "status", 1.0),
        ("latest_metrics", "params.lr", 5.0),
        ("latest_metrics", "activation", 1.0),
        ("latest_metrics", "model.hidden", 4.0),
        ("params", "status", "checked"),
        ("params", "name", "mine"),
        ("params", "run_id", "x"),
        ("params", "test/accuracy_final", "0.99"),
        ("params", "metrics.test/accuracy_final", "0.99"),
        ("params", "notes", "<b>mine</b>"),
        ("tags", "lr", "5"),
        ("tags", "outcome", "won"),
    ],
)
def test_what_a_user_logs_to_a_run_changes_nothing_that_is_known_of_it(
    bench: Bench, table: str, key: str, value: object
) -> None:
    bench.edit(bench.first, table, key, value)
    runs = read_study(bench.store, STUDY)
    for name in ("runs", "params", "cells", "missing"):
        pd.testing.assert_frame_equal(getattr(runs, name), getattr(bench.study, name))


def test_names_that_metrics_and_parameters_share_are_kept_apart(bench: Bench) -> None:
    bench.edit(bench.first, "latest_metrics", "lr", 5.0)
    bench.edit(bench.first, "params", "status", "checked")
    run = read_runs(bench.store, STUDY).set_index("run_id").loc[bench.first]
    assert (run["params.lr"], run["metrics.lr"]) == ("0.01", 5.0)
    assert (run["status"], run["params.status"]) == ("FINISHED", "checked")


# --- files --------------------------------------------------------------------------------------


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def garbled(path: Path) -> None:
    path.write_bytes(b"no table at all")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def overwritten(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4)
    path.write_bytes(bytes(data))


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def rewritten(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def rewrite(path: Path) -> None:
        change(pd.read_parquet(path)).to_parquet(path, index=False)

    return rewrite


RUN_TABLES = ("history", "trajectory", "probe")
DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "emptied": emptied,
    "garbled": garbled,
    "truncated": truncated,
    "overwritten": overwritten,
    "folder": made_a_folder,
    "other columns": rewritten(lambda table: table[[]].assign(a=1)),
    "a column less": rewritten(lambda table: table.drop(columns=table.columns[4])),
    "text": rewritten(lambda table: table.astype({table.columns[-1]: "str"})),
    "booleans": rewritten(lambda table: table.assign(step=True)),
    "not finite": rewritten(
        lambda table: table.assign(
            **{name: np.nan for name in ("accuracy", "weight_mean", "zero") if name in table}
        )
    ),
    "no rows": rewritten(lambda table: table.iloc[:0]),
    "a row less": rewritten(lambda table: table.iloc[:-1]),
    "half of it": rewritten(lambda table: table.iloc[: len(table) * 2 // 5]),
    "rows twice": rewritten(lambda table: pd.concat([table, table])),
    "backwards": rewritten(lambda table: table.iloc[::-1]),
}


@pytest.fixture(scope="module")
def damaged(
    trained: Lab, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[str, str]]:
    """Why a run is unreadable and left out whose file is damaged so; each is of another seed."""
    bench = Bench(trained, tmp_path_factory.mktemp("damaged"))
    odd = {(name, damage): bench.copy(bench.first) for name in RUN_TABLES for damage in DAMAGES}
    for seed, ((name, damage), run_id) in enumerate(odd.items(), 2):
        bench.edit(run_id, "params", "seed", str(seed))
        DAMAGES[damage](bench.artifact(run_id, f"{name}.parquet"))
    analysis, series = read_digests(bench.store, read_study(bench.store, STUDY), WorkerPool())
    assert series.keys() == {bench.first, bench.last}
    runs = analysis.runs
    assert not any(str(bench.folder) in reason for reason in runs.unreadable.values())
    return {of: (runs.unreadable[run_id], why(runs, run_id)) for of, run_id in odd.items()}


@pytest.mark.parametrize("name", RUN_TABLES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_with_a_damaged_file_is_left_out_with_its_reason(
    damaged: dict[tuple[str, str], tuple[str, str]], name: str, damage: str
) -> None:
    reason, told = damaged[name, damage]
    assert told == f"FINISHED, but cannot be read: {reason}"
    assert f"{name}.parquet" in reason


def test_an_older_run_of_the_point_counts_where_the_newest_cannot_be_read(bench: Bench) -> None:
    newer = bench.copy(bench.first)
    bench.artifact(newer, "history.parquet").unlink()
    runs = read_study(bench.store, STUDY)
    assert newer in set(runs.used["run_id"])
    analysis, series = read_digests(bench.store, runs, WorkerPool())
    left = analysis.runs
    assert left.used["run_id"].tolist() == [bench.first, bench.last]
    assert series.keys() >= {bench.first, bench.last}
    assert why(left, newer) == "FINISHED, but cannot be read: history.parquet is missing"


def test_fewer_epochs_than_its_setting_says_are_a_fault_of_the_run(bench: Bench) -> None:
    for run_id in (bench.first, bench.last):
        bench.edit(run_id, "params", "train.epochs", "2" if run_id == bench.last else "3")
    analysis, _ = read_digests(bench.store, read_study(bench.store, STUDY), WorkerPool())
    left = analysis.runs
    assert left.used["run_id"].tolist() == [bench.last]
    assert "each of the 3 epochs" in left.unreadable[bench.first]


def test_claims_are_judged_without_runs_that_cannot_be_read(bench: Bench) -> None:
    bench.artifact(bench.first, "trajectory.parquet").write_bytes(b"")
    evidence = Evidence({STUDY: bench.study}, stored_records(bench.store))
    with pytest.raises(UnreadableRunError):
        evidence.records.fates(STUDY, bench.first)
    assert judge(read_claims(), evidence)


def test_a_server_that_does_not_answer_leaves_out_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = store_at("http://127.0.0.1:9")
    with pytest.raises(StoreError) as raised:
        read_run_table("history", store, STUDY, "0" * 32)
    assert not isinstance(raised.value, ReportError)


# --- the report ---------------------------------------------------------------------------------

LISTS = {"index.html", "manifest.json", *(f"tables/runs.{kind}" for kind in ("csv", "md", "tex"))}


def test_a_report_with_odd_runs_is_that_without_them_but_for_the_list(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A PNG shows what the SVG shows, and takes longer.
    monkeypatch.setattr(style, "FigureCanvasAgg", Mock())
    expected = contents(bench.report("without"))
    edited = [bench.copy(bench.first) for _ in EDITS]
    for odd, (table, key, value) in zip(edited, EDITS, strict=True):
        bench.edit(odd, table, key, value)
    damaged = {damage: bench.copy(bench.last) for damage in ("missing", "garbled", "rows twice")}
    for damage, odd in damaged.items():
        DAMAGES[damage](bench.artifact(odd, "probe.parquet"))
    found = contents(bench.report("with"))
    assert found.keys() == expected.keys()
    assert {name for name in found if found[name] != expected[name]} == LISTS
    page = found["index.html"].decode()
    assert f"{len(edited) + len(damaged)} runs are left out" in page
    assert "cannot be read: lr=&#39;abc&#39;: must be a number" in page
    assert "cannot be read: probe.parquet is missing" in page
    assert page.count("<b>x</b>") == 0
    before = expected["index.html"].decode()
    assert page.partition('id="runs"')[0].replace("\n", "") == with_note(before, page)


def with_note(before: str, page: str) -> str:
    """The page above its list of runs, with the note that the other page has."""
    (note,) = [
        line for line in page.splitlines() if "The list of all runs gives the reasons." in line
    ]
    above = before.partition('id="runs"')[0].replace("\n", "")
    start, counts, rest = above.partition('<ul class="counts">')
    return start + counts + rest.replace("</ul>", f"</ul>{note}", 1) if note not in above else above


def test_one_figure_is_drawn_without_runs_that_cannot_be_read(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.artifact(bench.last, "history.parquet").write_bytes(b"")
    where = [f"study={STUDY}", f"tracking.uri={bench.store.uri}"]
    words = ["figure", "test_accuracy_by_epoch", *where, f"report.folder={bench.folder / 'r'}"]
    assert main(words) == 0
    assert capsys.readouterr().err == (
        f"actscope: left out: study={STUDY}: a file of run {bench.last} cannot be read: "
        "history.parquet is damaged (ArrowInvalid)\n"
    )


@pytest.mark.usefixtures("unrendered")
def test_two_studies_are_compared_without_runs_that_cannot_be_read(
    bench: Bench, trained: Lab, grid: str
) -> None:
    bench.artifact(bench.last, "history.parquet").write_bytes(b"")
    assert trained.store.folder is not None
    shutil.copytree(trained.store.folder / "artifacts" / grid, bench.folder / "artifacts" / grid)
    words = [f"report.compare=[{STUDY},{grid}]", f"tracking.uri={bench.store.uri}"]
    assert main([*words, f"report.folder={bench.folder / 'r'}"]) == 0


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("target", ["", "no.such", "torch.nn", "torch.nn.Linear", "os.getcwd"])
def test_an_activation_that_cannot_be_drawn_costs_no_report(bench: Bench, target: str) -> None:
    bench.edit(bench.first, "params", "activation.function._target_", target)
    where = [f"study={STUDY}", f"tracking.uri={bench.store.uri}"]
    words = ["figure", "activation_functions", *where, f"report.folder={bench.folder / 'r'}"]
    assert main(words) == 0


@pytest.mark.parametrize("damage", ["settings", "files"])
def test_where_no_run_can_be_read_one_line_says_so(
    bench: Bench, refused: Refusal, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bench.store.uri)
    for run_id in (bench.first, bench.last):
        if damage == "settings":
            bench.edit(run_id, "params", "lr", "abc")
        else:
            bench.artifact(run_id, "history.parquet").unlink()
    said = refused([f"study={STUDY}", f"report.folder={bench.folder / 'r'}"], 1)
    assert f"study={STUDY}: none of its 2 finished runs can be used" in said
    assert "Check the store with `make doctor`" in said
    assert not (bench.folder / "r" / STUDY).exists()
