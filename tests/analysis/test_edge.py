from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from actscope.analysis import edge
from actscope.report.cli import main
from actscope.report.figures import edge as edge_figures
from actscope.report.figures import metric as metric_figures
from actscope.report.figures.style import STYLES
from actscope.report.tables import edge as edge_tables
from actscope.report.text import edge as edge_text
from tests.support.studies import RELU, Lab, point, without_rendering

RATES = [0.001, 0.01, 0.1, 1.0]


def cells(**learned: list[int]) -> pd.DataFrame:
    """Cells of five runs at RATES, of which so many learned and the others failed."""
    rows = [
        {"variant": "", "activation": name, "lr": lr, "runs": 5, "learned": count}
        for name, counts in learned.items()
        for lr, count in zip(RATES, counts, strict=True)
    ]
    return pd.DataFrame(rows).assign(failed=lambda frame: 5 - frame["learned"], diverged=0)


def edges(**learned: list[int]) -> pd.DataFrame:
    return edge.edges(edge.outcome_shares(cells(**learned)))


def test_four_of_five_seeds_learn_and_three_do_not() -> None:
    (row,) = edges(relu=[5, 4, 3, 0]).to_dict("records")
    assert row["everywhere_up_to"] == row["largest"] == 0.01
    assert row["gaps"] == ""
    assert row["fewest_runs"] == 5


def test_a_share_of_runs_has_its_exact_interval() -> None:
    found = edge.outcome_shares(cells(relu=[5, 4, 3, 0]))
    row = found.iloc[1]
    assert [row["learned"], row["failed"], row["diverged"]] == [0.8, 0.2, 0]
    assert [row["learned_low"], row["learned_high"]] == pytest.approx([0.2836, 0.9949], abs=5e-5)
    _, outcomes = edge_tables.tables_of(found, edge.edges(found))
    assert outcomes.readable["learned, %"].tolist()[1] == "80.0 (28.4 to 99.5)"


def test_a_rate_above_a_failing_one_is_the_largest_but_not_everywhere() -> None:
    (row,) = edges(relu=[5, 3, 5, 0]).to_dict("records")
    assert row["everywhere_up_to"] == 0.001
    assert row["largest"] == 0.1
    assert row["gaps"] == "0.01"


def test_where_there_is_no_edge_it_is_said_in_words() -> None:
    table = edge_tables.readable(edges(slow=[0, 5, 5, 5], never=[0, 0, 0, 0]))
    assert table["learns up to"].tolist() == ["fails at the smallest, 0.001"] * 2
    assert table["largest rate that learns"].tolist() == ["1, the largest of the sweep", "no rate"]
    assert "nan" not in table.to_csv()


def test_a_run_that_diverged_did_not_learn() -> None:
    found = cells(relu=[5, 5, 4, 0])
    found.loc[2, ["learned", "failed", "diverged"]] = [3, 0, 2]
    outcomes = edge.outcome_shares(found)
    assert outcomes["diverged"].tolist() == [0, 0, 0.4, 0]
    assert edge.edges(outcomes)["largest"].tolist() == [0.01]


def test_a_missing_seed_is_not_a_failure() -> None:
    found = cells(relu=[5, 5, 4, 0])
    found.loc[2, ["runs", "failed"]] = [4, 0]
    (row,) = edge.edges(edge.outcome_shares(found)).to_dict("records")
    assert row["largest"] == 0.1
    assert row["fewest_runs"] == 4


def test_the_highest_and_the_lowest_edge_are_told() -> None:
    said = " ".join(
        next(edge_text.answer(edges(relu=[5, 5, 5, 0], elu=[5, 0, 0, 0], selu=[0, 0, 0, 0])))
    )
    assert said.startswith("relu has the highest edge: it learns at lr = 0.1.")
    assert "selu learns at no rate." in said
    assert "The lowest edge is that of elu, at 0.001: 100 times lower." in said


def test_an_edge_beyond_the_sweep_is_called_so() -> None:
    (sentences,) = edge_text.answer(edges(relu=[5, 5, 5, 5]))
    (sentence,) = sentences
    assert sentence == (
        "relu has the highest edge: it learns at lr = 1, the largest rate of the sweep; the edge "
        "may be higher."
    )


def test_three_rates_are_drawn_as_trajectories() -> None:
    drawn = edge.rates_drawn(edges(relu=[5, 5, 0, 0], never=[0, 0, 0, 0]))
    by_name = {name: sorted(own["lr"]) for name, own in drawn.groupby("activation")}
    assert by_name == {"relu": [0.001, 0.01, 1.0], "never": [0.001, 1.0]}


def test_the_map_tells_failed_from_diverged_without_colour() -> None:
    found = cells(relu=[5, 4, 0, 0], elu=[5, 5, 5, 5]).drop(index=7)  # elu has no run at 1
    found.loc[2, ["failed", "diverged"]] = [3, 2]
    found.loc[3, ["failed", "diverged"]] = [0, 5]
    ax = edge_figures.plot_outcome_map(
        edge.outcome_shares(found), ["relu", "elu"], RATES, Figure().subplots()
    )
    signs = [(line.get_marker(), *line.get_xydata()[0].round(1)) for line in ax.lines]
    assert signs == [("_", 1, 0), ("_", 1.8, 0), ("x", 2.2, 0), ("x", 3, 0)]
    (mesh,) = ax.collections
    shares = mesh.get_array()
    assert shares is not None
    assert shares.tolist() == [[1, 0.8, 0, 0], [1, 1, 1, None]]


@pytest.mark.parametrize(("activations", "panels"), [(5, 1), (6, 6)])
def test_many_activations_have_a_panel_each(activations: int, panels: int) -> None:
    found = cells(**{f"a{number}": [5, 5, 5, 0] for number in range(activations)})
    found = found.assign(final_mean=0.5, final_low=0.4, final_high=0.6)
    runs = pd.DataFrame(columns=["activation", "lr", "outcome", "final"])
    figure = edge_figures.draw_by_value("", found, runs)
    assert len(figure.axes) == panels
    curves = [[line for line in ax.lines if len(line.get_xdata()) == 4] for ax in figure.axes]
    assert {len(lines) for lines in curves} == {activations}


def test_a_rate_at_which_some_runs_failed_has_a_ring_and_their_dots() -> None:
    means = {"final_mean": [0.9, 0.8, np.nan, np.nan], "final_low": np.nan, "final_high": np.nan}
    found = cells(relu=[5, 4, 0, 0]).assign(**means)
    runs = pd.DataFrame(
        [("learned", 0.01, 0.8), ("failed", 0.01, 0.3), ("failed", 0.1, 0.1)],
        columns=["outcome", "lr", "final"],
    )
    ax = metric_figures.plot_by_value(found, runs, STYLES[0], Figure().subplots())
    _, ring, dots = ax.lines
    assert ring.get_xydata().tolist() == [[0.01, 80]]
    assert dots.get_xydata().tolist() == [[0.01, 30], [0.1, 10]]


# --- a study of eight rates ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def fine(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study of eight rates."""
    rates = [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0, 10.0]
    lab.run("fine", [point("fine", RELU, lr, 0, epochs=1) for lr in rates])
    folder = tmp_path_factory.mktemp("reports")
    arguments = ["study=fine", f"tracking.uri={lab.store.uri}", f"report.folder={folder}"]
    with without_rendering():
        assert main(arguments) == 0
    return folder / "fine"


def test_a_study_of_many_rates_has_no_panel_a_rate(fine: Path) -> None:
    names = {path.stem for path in (fine / "figures").glob("*.png")}
    assert {"outcome_map", "accuracy_by_rate", "trajectories_relu"} <= names
    assert not {"final_accuracy", "test_accuracy_by_epoch"} & names
    page = (fine / "index.html").read_text()
    assert "The edge of trainability" in page
    assert edge_text.RATES_DRAWN in page


def test_its_tables_tell_of_every_rate(fine: Path) -> None:
    outcomes = pd.read_csv(fine / "tables" / "outcomes.csv", keep_default_na=False)
    assert len(outcomes) == 8
    assert outcomes[["learned", "failed", "diverged"]].sum(axis=1).tolist() == [1] * 8
    assert pd.read_csv(fine / "tables" / "edge.csv")["activation"].tolist() == ["relu"]
