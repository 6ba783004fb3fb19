import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from actscope.analysis.axis import RATE
from actscope.analysis.labels import SHIPPED
from actscope.analysis.logged_settings import activation_of
from actscope.analysis.stats import summarise
from actscope.artifacts.panels import panels_of
from actscope.config import Activation
from actscope.metric import ACCURACY
from actscope.report.figures import style as figures
from actscope.report.figures.activation_functions import function_curve
from actscope.report.figures.limits import enlarged_limits
from actscope.report.figures.metric import draw_final, plot_final
from actscope.report.figures.seeds import draw_seeds
from actscope.report.figures.trajectories import Drawn, panel_label, share_limits
from actscope.report.figures.units import layer_title
from actscope.report.pages.trajectories import as_columns


def test_the_article_s_five_differ_in_colour_dashes_and_marker() -> None:
    five = figures.STYLES[:5]
    for sign in ("colour", "dashes", "marker"):
        assert len({str(getattr(style, sign)) for style in five}) == 5


def test_no_two_shipped_activations_look_alike() -> None:
    looks = {(style.colour, str(style.dashes)) for style in figures.STYLES}
    assert len(looks) == len(SHIPPED)


def test_a_shipped_activation_keeps_its_style_beside_unknown_ones() -> None:
    styles = figures.line_styles(["relu", "unknown", "other"])
    assert styles["relu"] == figures.STYLES[0]
    assert styles["unknown"] != styles["other"]
    assert styles == figures.line_styles(["other", "unknown", "relu"])


def test_selu_has_a_jump_of_its_slope_at_zero_and_elu_none() -> None:
    selu = function_curve(Activation("selu", "torch.nn.SELU"))
    elu = function_curve(Activation("elu", "torch.nn.ELU", (("alpha", 1.0),)))
    assert selu.loc[selu["slope"].isna(), "x"].abs().tolist() == [pytest.approx(0, abs=0.01)]
    assert elu["slope"].notna().all()


def test_the_slope_is_the_function_s_derivative() -> None:
    tanh = function_curve(Activation("tanh", "torch.nn.Tanh"))
    assert np.allclose(tanh["slope"], 1 - np.tanh(tanh["x"]) ** 2)


def test_an_activation_is_read_from_the_text_of_parameters() -> None:
    params = {
        "activation": "leaky_relu",
        "activation.batch_norm": "True",
        "activation.function._target_": "torch.nn.LeakyReLU",
        "activation.function.negative_slope": "0.01",
        "activation.function.alpha": float("nan"),
    }
    assert activation_of(params) == Activation(
        "leaky_relu", "torch.nn.LeakyReLU", (("negative_slope", 0.01),), batch_norm=True
    )


def test_panels_of_a_row_share_a_scale_unless_that_presses_one_flat() -> None:
    first, second, third, empty = Figure().subplots(1, 4)
    for ax, limits in ((first, (0, 1)), (second, (-1, 1)), (third, (0, 100))):
        ax.plot([0, 1], limits)
        ax.set_ylim(limits)
    empty.set_ylim(0, 1000)
    assert share_limits([first, second, empty])
    assert first.get_ylim() == (-1, 1)
    assert not share_limits([first, third])
    assert first.get_ylim() == (-1, 1)


def test_the_article_s_panels_tell_how_many_units_they_show() -> None:
    units = pd.DataFrame({"layer": [1] * 64 + [2] * 10, "unit": [*range(64), *range(10)]})
    runs = [Drawn("lr = 0.01", "learned", pd.DataFrame(), units)]
    assert [panel_label(panel, runs).replace("\n", " ") for panel in panels_of(ACCURACY)] == [
        "(1) training accuracy (%) by minibatch",
        "(2) layer 2: mean weight, all 10 units",
        "(3) layer 2: bias, all 10 units",
        "(4) layer 1: mean weight, 10 of 64 units",
        "(5) layer 1: bias, 10 of 64 units",
    ]
    diverged = [Drawn("lr = 0.01", "diverged", pd.DataFrame(), units[:0])]
    assert panel_label(panels_of(ACCURACY)[1], diverged) == "(2) output layer:\nmean weight"


def test_the_panels_of_ones_own_network_tell_the_names_of_its_layers() -> None:
    units = pd.DataFrame({"layer": [1, 1, 2], "unit": [0, 1, 0]})
    runs = [Drawn("lr = 0.01", "learned", pd.DataFrame(), units, ["blocks.0.fc1", "output"])]
    assert [panel_label(panel, runs) for panel in panels_of(ACCURACY)[2:4]] == [
        "(3) layer 2 (output):\nbias, all 1 units",
        "(4) layer 1 (blocks.0.fc1):\nmean weight, all 2 units",
    ]


@pytest.mark.parametrize(
    ("name", "is_output", "title"),
    [
        ("fc1", False, "layer 3 fc1"),
        ("last", True, "layer 3 last (output)"),
        ("output", True, "layer 3 output"),
    ],
)
def test_an_output_layer_is_called_so_once(name: str, is_output: bool, title: str) -> None:
    cells = pd.DataFrame({"layer_name": [name], "is_output": [is_output]})
    assert layer_title(3, cells) == title
    assert layer_title(3, cells[["is_output"]]) == "layer 3" + " (output)" * is_output


def test_the_article_s_two_rates_stand_as_it_has_them() -> None:
    article = pd.DataFrame({"lr": [0.001, 0.01]})
    assert as_columns(article)["lr"].tolist() == [0.01, 0.001]
    others = pd.DataFrame({"lr": [0.1, 0.001, 0.01]})
    assert as_columns(others)["lr"].tolist() == [0.001, 0.01, 0.1]


def test_of_many_rates_five_are_drawn() -> None:
    rates = [float(number) for number in range(9)]
    assert RATE.shown([*rates, *rates]) == [0, 2, 4, 6, 8]
    assert RATE.shown(rates[:2]) == [0, 1]


def test_the_enlarged_scale_suits_the_cells_that_learned() -> None:
    cells = pd.DataFrame({"final_mean": [0.96, 0.96, np.nan]})
    assert enlarged_limits(cells) == pytest.approx((95.7, 96.2))
    assert enlarged_limits(cells[2:]) is None


@pytest.mark.parametrize(
    ("means", "limits"),
    [
        ([0.978, 0.980], (97.5, 98.2)),  # apart by 0.2 points
        ([0.90, 0.96], (81, 100.2)),  # median 93: not lower than 79
        (
            [0.50, 0.97, 0.98],
            (91, 100.2),
        ),  # median 97: not lower than 91, whatever the slowest does
        ([0.70], None),
        ([0.50, 0.70], None),  # from 20: that is no enlargement
    ],
)
def test_the_enlarged_scale_shows_where_cells_differ(
    means: list[float], limits: tuple[float, float] | None
) -> None:
    cells = pd.DataFrame({"final_mean": means})
    found = enlarged_limits(cells)
    assert found == (None if limits is None else pytest.approx(limits))


def test_every_run_is_a_dot_and_a_mixed_cell_says_how_many_learned() -> None:
    runs = pd.DataFrame(
        {
            "activation": "relu",
            "outcome": ["learned", "failed", "learned", "diverged"],
            "final": [0.8, 0.1, 0.9, np.nan],
        }
    )
    (cell,) = summarise(runs.assign(variant="", lr=0.1)).to_dict("records")
    ax = Figure().subplots()
    ax.set_xlim(0, 102)
    styles = figures.line_styles(["relu"])
    plot_final(runs, pd.DataFrame([cell]), styles, ax)
    learned, failed, mean, interval, beyond = ax.lines
    assert learned.get_xdata().tolist() == [80, 90]
    assert failed.get_xdata().tolist() == [10]
    assert learned.get_ydata()[0] != learned.get_ydata()[1]
    assert mean.get_xdata() == pytest.approx([85])
    assert interval.get_linestyle() == "--"  # what matplotlib calls any dashes
    assert beyond.get_xdata() == [102]  # 85 + 12.706 * 5 is beyond the panel
    assert [text.get_text() for text in ax.texts] == ["2 of 4 learned "]


def test_a_dollar_in_a_name_is_a_dollar() -> None:
    with figures.drawing_style():
        figure = Figure()
        figure.suptitle("a $broken formula_{ $")
        assert figures.render(figure)["png"].startswith(b"\x89PNG")


def test_the_articles_seed_is_marked_among_all_seeds_with_its_rank() -> None:
    runs = pd.DataFrame(
        {
            "activation": "relu",
            "lr": 0.1,
            "seed": [0, 1, 2, 3],
            "final": [0.9, 0.95, 0.97, np.nan],
            "outcome": ["learned", "failed", "learned", "diverged"],
        }
    )
    (ax,) = draw_seeds("", runs, 1).axes
    seeds, star = ax.lines
    assert seeds.get_xdata().tolist() == pytest.approx([97, 95, 90])
    assert (np.diff(seeds.get_ydata()) > 0).all()  # y grows downwards: the best is on top
    assert star.get_xdata().tolist() == pytest.approx([95])
    assert [text.get_text() for text in ax.texts] == ["2 of 3"]


@pytest.mark.parametrize("names", [("relu",), ("relu", "elu", "selu", "tanh")])
@pytest.mark.parametrize("rates", [(0.1,), (0.1, 0.2), (0.1, 0.2, 0.3)])
def test_the_legend_of_final_accuracies_is_inside_its_figure(
    names: tuple[str, ...], rates: tuple[float, ...]
) -> None:
    rows = [
        {"variant": "", "activation": name, "lr": lr, "seed": seed, "final": 0.9 + seed / 100}
        for name in names
        for lr in rates
        for seed in (0, 1)
    ]
    used = pd.DataFrame(rows).assign(outcome="learned")
    figure = draw_final("of one variant", used, summarise(used))
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width


def test_a_figure_has_the_ticks_and_labels_that_matplotlib_gives_it() -> None:
    with figures.drawing_style():
        shortened, plain = _odd_axes(), _odd_axes()
        own, reference = figures.render(shortened), io.BytesIO()
        layout = plain.get_layout_engine()
        assert layout is not None
        layout.execute(plain)
        plain.set_layout_engine("none")
        plain.set_dpi(figures.DPI)
        FigureCanvasAgg(plain).print_png(reference, metadata={"Software": None})
    assert own["png"] == reference.getvalue()


def _odd_axes() -> Figure:
    """A figure with large and tiny numbers, logarithms, hidden labels and no ticks at all."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots(2, 2, sharex="col")
    axes[0, 0].plot([0, 1], [1e7, 3e7])
    axes[1, 0].plot([0, 1], [1e-9, 3e-9])
    axes[0, 1].loglog([1, 1000], [1, 1e6])
    axes[1, 1].tick_params(labelleft=False)
    axes[1, 1].yaxis.set_major_locator(NullLocator())
    axes[0, 0].set_title("large")
    axes[1, 0].set_xlabel("x")
    return figure
