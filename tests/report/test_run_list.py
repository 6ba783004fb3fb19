"""Where a page's numbers, and the runs that they lead to, lead."""

import pytest

from actscope.report.pages.run_list import RunList
from actscope.tracking.ui import runs_in_ui
from tests.analysis.test_frames import chosen, row
from tests.support.stores import store_at

UI = "http://tracking/#/experiments/1/runs"


@pytest.fixture
def runs() -> RunList:
    found = chosen(
        row("a"),
        row("b", seed="1"),
        row("c", seed="1", ended=0.5),
        row("d", activation="elu"),
        row("e", status="FAILED", seed=None, lr=None),
    )
    return RunList(found, "mine-", "mine", UI)


def test_the_runs_of_a_cell_stand_under_one_id_also_those_left_out(runs: RunList) -> None:
    listed = {place: [run["run_id"] for run in own] for place, own in runs.cells}
    assert listed == {"mine-runs-1": ["a", "c", "b"], "mine-runs-2": ["d"], "mine-runs-3": ["e"]}


def test_a_number_leads_to_its_cell_whether_its_row_is_of_numbers_or_of_text(runs: RunList) -> None:
    numbers = {"variant": "", "activation": "elu", "lr": 0.1, "n": 1, "method": "none"}
    assert runs.link(numbers, "n") == "#mine-runs-2"
    assert runs.link({"activation": "relu", "lr": "0.1", "mean, %": "90.00"}, "mean, %") == (
        "#mine-runs-1"
    )


def test_a_number_on_several_cells_leads_to_the_whole_list(runs: RunList) -> None:
    assert runs.link({"lr": "0.1", "both": 3}, "both") == "#mine-runs"


def test_what_is_no_number_or_names_the_row_leads_nowhere(runs: RunList) -> None:
    whole = {"variant": "", "activation": "elu", "lr": "0.1", "method": "none"}
    assert [runs.link(whole, column) for column in whole] == [""] * 4


def test_a_run_leads_to_the_explorer_if_it_counts_and_to_the_store_s_ui(runs: RunList) -> None:
    (counts,), (failed,) = (own for _, own in runs.cells[1:])
    assert runs.in_explorer(counts) == "explore.html#a=elu/0.1/0/mine"
    assert runs.in_explorer(failed) == ""
    assert runs.in_ui(failed) == f"{UI}/e"


def test_a_database_without_a_known_server_has_no_ui() -> None:
    assert runs_in_ui(store_at("postgresql://user:secret@host/runs"), "study") == ""
