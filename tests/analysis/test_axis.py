"""A study with another setting in the place of the learning rate."""

from collections.abc import Mapping

import pandas as pd
import pytest
from matplotlib.figure import Figure

from actscope.analysis.axis import RATE, Axis, check_axis
from actscope.analysis.claims.verdicts import Verdict
from actscope.analysis.frames import StudyRuns, choose_runs
from actscope.analysis.ranking import find_lead
from actscope.analysis.stats import compare, summarise
from actscope.errors import ConfigError
from actscope.report.figures.edge import draw_by_value
from actscope.report.figures.metric import draw_final
from actscope.report.figures.units import layers_shown
from actscope.report.pages.run_list import RunList
from actscope.report.tables.study import readable_summary
from actscope.report.text.methods import counts, gaps, settings
from actscope.report.text.study import answer
from tests.support.judging import claim, run_row, study, verdict_on

WIDTH = "model.width"
# Of two seeds each. relu learns more with each width; elu is better only at the lowest.
FINALS = {
    ("relu", 8): (0.5, 0.7),
    ("relu", 16): (0.8, 0.8),
    ("relu", 32): (0.9, 0.94),
    ("elu", 8): (0.8, 0.7),
    ("elu", 16): (0.7, 0.7),
    ("elu", 32): (0.8, 0.82),
}


def rows(setting: str, values: Mapping[int, str], **changes: object) -> list[dict[str, object]]:
    """A row for each run of FINALS; `values`: what the setting is instead of the width."""
    return [
        run_row(name, seed, final, run_id=f"{name}{width}-{seed}", **{setting: values[width]})
        | {f"params.{key}": value for key, value in changes.items()}
        for (name, width), finals in FINALS.items()
        for seed, final in enumerate(finals)
    ]


WIDTHS = rows("model.hidden", {8: "[8, 8]", 16: "[16, 16]", 32: "[32, 32]"})


def by(axis: str, given: list[dict[str, object]]) -> StudyRuns:
    return choose_runs("s", pd.DataFrame(given), axis=axis)


def test_cells_are_of_the_axis_and_their_means_are_those_of_its_runs() -> None:
    cells = by(WIDTH, WIDTHS).cells.set_index(["activation", WIDTH])
    assert cells["final_mean"].to_dict() == pytest.approx(
        {
            ("relu", 8): 0.6,
            ("relu", 16): 0.8,
            ("relu", 32): 0.92,
            ("elu", 8): 0.75,
            ("elu", 16): 0.7,
            ("elu", 32): 0.81,
        }
    )
    assert cells.loc[("relu", 8), "final_sd"] == pytest.approx(0.02**0.5)  # 0.1² + 0.1², n - 1 = 1
    assert set(cells["variant"]) == {""}
    assert list(cells.index.get_level_values(WIDTH)) == [8, 16, 32] * 2


def test_a_table_names_the_column_by_the_setting_and_shows_whole_numbers() -> None:
    study = by(WIDTH, WIDTHS)
    cells = study.cells.assign(wins=0.5)
    shown = readable_summary(cells, study.metric, study.axis)
    assert list(shown.columns)[:2] == ["activation", WIDTH]
    assert shown[WIDTH].tolist() == ["8", "16", "32"] * 2
    assert study.cells[WIDTH].to_csv(index=False).split() == [WIDTH, *["8", "16", "32"] * 2]


def test_activations_are_compared_at_each_value() -> None:
    study = by(WIDTH, WIDTHS)
    pairs = compare(study.used, study.metric, study.axis).set_index(WIDTH)
    assert pairs["mean"].to_dict() == pytest.approx({8: -0.15, 16: 0.1, 32: 0.11})  # relu - elu


def test_the_answer_names_the_best_value() -> None:
    found = by(WIDTH, WIDTHS)
    lead = find_lead(found.used, found.cells, axis=found.axis)
    ((first, *rest),) = answer({"": "test"}, found.cells, {"": lead}, found.metric, found.axis)
    assert first.startswith("relu at width = 32 has the highest mean of 6 cells")
    assert "11.00 points above the next activation, elu at its best width 32" in rest[0]


def test_the_answer_names_the_values_at_which_runs_failed() -> None:
    lost = [row | {"outcome": "failed"} if "relu" in str(row["run_id"]) else row for row in WIDTHS]
    found = by(WIDTH, lost[1:])
    lead = find_lead(found.used, found.cells, axis=found.axis)
    ((*_, failed, rest),) = answer({"": "test"}, found.cells, {"": lead}, axis=found.axis)
    assert failed == "Failed to learn: relu at width = 8 (1 of 1), 16 (2 of 2) and 32 (2 of 2)."
    assert rest == "Only elu learned with every seed at every value of width."


def test_the_rate_makes_variants_where_it_varies_too() -> None:
    faster = [row | {"params.lr": "0.01", "run_id": f"{row['run_id']}f"} for row in WIDTHS]
    study = by(WIDTH, [*WIDTHS, *faster])
    assert list(dict.fromkeys(study.cells["variant"])) == ["lr=0.001", "lr=0.01"]
    assert len(study.cells) == 12
    assert len(study.used) == len(study.by_rate.used) == 24
    assert set(study.by_rate.used["variant"]) == {
        f"model.hidden=[{width},{width}]" for width in (8, 16, 32)
    }


def test_depth_makes_variants_where_layers_differ_in_both() -> None:
    deeper = rows("model.hidden", {8: "[8]", 16: "[16]", 32: "[32]"})
    deeper = [row | {"run_id": f"{row['run_id']}d"} for row in deeper]
    study = by(WIDTH, [*WIDTHS, *deeper])
    assert set(study.used["variant"]) == {"model.depth=1", "model.depth=2"}
    by_depth = by("model.depth", [*WIDTHS, *deeper])
    assert set(by_depth.used["variant"]) == {"model.width=8", "model.width=16", "model.width=32"}
    assert set(by_depth.used["model.depth"]) == {1, 2}


def test_missing_points_are_of_the_axis() -> None:
    study = by(WIDTH, WIDTHS[:-1])
    assert (len(study.missing), study.grid_size) == (1, 12)
    assert gaps(study) == ["elu at width 32: seed 1"]


def test_the_page_counts_values_and_lists_the_rate_among_the_settings() -> None:
    study = by(WIDTH, WIDTHS)
    assert ("3", "values of width") in counts(study, study.cells)
    assert ("lr", "0.001") in settings(study)


@pytest.mark.parametrize(
    ("setting", "texts", "dtype", "ordered"),
    [
        ("train.batch_size", ("100", "20", "50"), "Int64", [20, 50, 100]),
        ("train.weight_decay", ("0.1", "0.0", "1e-05"), "float", [0.0, 1e-05, 0.1]),
        ("train.clip_norm", ("None", "10.0", "2.0"), "str", ["2.0", "10.0", "None"]),
        ("model.init", ("xavier", "he", "lecun"), "str", ["he", "lecun", "xavier"]),
    ],
)
def test_values_are_numbers_if_all_are_and_categories_otherwise(
    setting: str, texts: tuple[str, str, str], dtype: str, ordered: list[object]
) -> None:
    study = by(setting, rows(setting, dict(zip((8, 16, 32), texts, strict=True))))
    assert study.axis == Axis(setting, dtype)
    own = study.cells.loc[study.cells["activation"] == "relu", setting]
    assert own.tolist() == study.axis.ordered(own) == ordered


def test_data_sets_do_not_take_the_place_of_the_digests() -> None:
    given = rows("data", {8: "digits", 16: "mnist", 32: "kmnist"}, **{"model.hidden": "[4]"})
    study = by("data", [row | {"signature.data": "abc"} for row in given])
    assert set(study.used["data.name"]) == {"digits", "mnist", "kmnist"}
    assert set(study.used["data"]) == {"abc"}


def test_a_width_that_a_network_of_one_s_own_has_makes_variants_and_an_axis() -> None:
    own = {"model._target_": "my.net.Net", "model.hidden": None}
    given = rows(WIDTH, {8: "8", 16: "16", 32: "32"}, **own)
    assert set(by("lr", given).used["variant"]) == {f"model.width={w}" for w in (8, 16, 32)}
    assert set(by(WIDTH, given).used[WIDTH]) == {8, 16, 32}


def test_a_network_of_one_s_own_has_no_depth_unless_it_says_so() -> None:
    own = run_row("relu", 7, 0.5, **{"model._target_": "my.net.Net", "model.hidden": None})
    study = by("model.depth", [run_row("relu", 0, 0.5, **{"model.hidden": "[8, 8]"}), own])
    assert study.axis.dtype == "str"
    assert study.used.set_index("seed")["model.depth"].to_dict() == {0: "2", 7: "unset"}


def test_a_run_whose_setting_cannot_be_read_is_left_out() -> None:
    odd = run_row("relu", 5, 0.5, **{"model.hidden": "[eight]"})
    study = by(WIDTH, [*WIDTHS, odd])
    assert study.axis.dtype == "Int64"
    assert study.left_out["run_id"].tolist() == ["relu-5"]
    listed = [[run["at"] for run in runs] for _, runs in RunList(study, "", "", "").cells]
    assert listed == [[width] * 2 for width in ["8", "16", "32"] * 2] + [[""]]


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (WIDTHS, "Choose one of model.width."),
        ([run_row("relu", 0, 0.5), run_row("elu", 1, 0.5)], "Remove report.axes."),
        (
            [run_row("relu", 0, 0.5), run_row("elu", 1, 0.5, **{"data.test": "False"})],
            "Remove report.axes.",
        ),
    ],
)
def test_an_axis_must_vary(given: list[dict[str, object]], advice: str) -> None:
    params = study(given).params
    with pytest.raises(ConfigError) as error:
        check_axis("s", "train.batch_size", params)
    assert str(error.value) == (
        "report.axes=[activation,train.batch_size]: train.batch_size does not vary between the "
        f"runs of study s. {advice}"
    )
    check_axis("s", "lr", params)  # the default needs no other rate


# --- figures -------------------------------------------------------------------------------------


def labels(figure: Figure) -> list[str]:
    figure.canvas.draw()
    return [tick.get_text() for tick in figure.axes[0].get_xticklabels()]


def test_the_axis_of_a_figure_has_the_name_and_the_values_of_the_setting() -> None:
    study = by(WIDTH, WIDTHS)
    figure = draw_by_value("", study.cells, study.used, study.metric, study.axis)
    ax = figure.axes[0]
    assert ax.get_xlabel() == "width"
    assert ax.get_xscale() == "log"
    assert labels(figure) == ["8", "16", "32"]
    assert ax.lines[0].get_xdata().tolist() == [8, 16, 32]
    assert ax.lines[0].get_ydata().tolist() == pytest.approx([60, 80, 92])


def test_five_of_many_values_are_labelled() -> None:
    many = [
        run_row("relu", 0, 0.5, run_id=str(n), **{"model.hidden": f"[{n}]"}) for n in range(2, 9)
    ]
    study = by(WIDTH, many)
    figure = draw_by_value("", study.cells, study.used, study.metric, study.axis)
    assert labels(figure) == ["2", "4", "5", "6", "8"]


def test_values_that_can_be_zero_have_a_linear_axis() -> None:
    study = by("train.momentum", rows("train.momentum", {8: "0.0", 16: "0.5", 32: "0.9"}))
    figure = draw_by_value("", study.cells, study.used, study.metric, study.axis)
    assert figure.axes[0].get_xscale() == "linear"
    assert labels(figure) == ["0", "0.5", "0.9"]


def test_categories_have_a_panel_each() -> None:
    study = by("model.init", rows("model.init", {8: "he", 16: "xavier", 32: "lecun"}))
    figure = draw_final("", study.used, study.cells, study.metric, study.axis)
    titles = [ax.get_title().partition(" (")[0] for ax in figure.axes]
    assert titles[:3] == ["init = he", "init = lecun", "init = xavier"]


def test_layers_are_first_last_and_output_at_each_depth() -> None:
    layers = pd.DataFrame(
        [(1, 1), (1, 2), (3, 1), (3, 2), (3, 3), (3, 4)], columns=["model.depth", "layer"]
    )
    is_output = layers["layer"] == layers["model.depth"] + 1
    table = layers.assign(is_output=is_output, silent=0.0, flat=is_output * 0.5)
    depth = Axis("model.depth", "Int64")
    assert layers_shown(table, depth) == [[(1, 1), (1, 3)], [(3, 3)], [(2, 1), (4, 3)]]


def test_the_rate_is_as_ever() -> None:
    study = by("lr", WIDTHS)
    assert study.axis is RATE
    assert study.by_rate is study
    pd.testing.assert_frame_equal(study.cells, summarise(study.used))
    assert (RATE.equals(0.1), RATE.at("0.1"), RATE.several) == ("lr = 0.1", "0.1", "rates")


# --- claims --------------------------------------------------------------------------------------

SIX_SEEDS = [
    run_row(name, seed, final, run_id=f"{name}{width}-{seed}", **{"model.hidden": f"[{width}]"})
    for name, sign, finals in (("relu", 1, {8: 0.9, 16: 0.6}), ("elu", -1, {8: 0.5, 16: 0.8}))
    for width, mean in finals.items()
    for seed, final in enumerate(mean + sign * place / 1000 for place in range(-5, 6, 2))
]


def greater(first: str, second: str, **at: object) -> Mapping[str, object]:
    return {"check": "greater", "first": first, "second": second, "gap": 20.0, **at}


def test_a_claim_may_name_another_setting_than_the_rate() -> None:
    at_8, at_16 = (
        verdict_on(claim(greater(*pair, **{WIDTH: width}), lr=False), SIX_SEEDS)
        for pair, width in ((("relu", "elu"), 8), (("relu", "elu"), 16))
    )
    assert at_8.verdict is Verdict.REPRODUCED
    assert at_8.numbers[0].startswith("✓ relu - elu: +40.000 points")
    assert at_16.verdict is Verdict.NOT_REPRODUCED
    assert at_16.numbers[0].startswith("✗ relu - elu: -20.000 points")


def test_a_claim_about_a_value_without_runs_is_not_run() -> None:
    found = verdict_on(claim(greater("relu", "elu", **{WIDTH: 64}), lr=False), SIX_SEEDS)
    assert found.verdict is Verdict.NOT_RUN
    assert found.numbers == ["no finished run of relu at model.width = 64"]


def test_a_claim_about_a_rate_says_that_widths_differ_whatever_the_axes() -> None:
    about_rate = claim(greater("relu", "elu"))
    found = verdict_on(about_rate, SIX_SEEDS)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.numbers == [
        "its runs differ in model.hidden=[16] or model.hidden=[8]: choose among them with `where`"
    ]
    chosen = claim(greater("relu", "elu"), where={"model.hidden": "[8]"})
    assert verdict_on(chosen, SIX_SEEDS).verdict is Verdict.REPRODUCED


def test_a_number_is_the_same_however_it_is_written() -> None:
    clipped = [row | {"params.train.clip_norm": "1.0"} for row in SIX_SEEDS]
    narrow = [row for row in clipped if row["params.model.hidden"] == "[8]"]
    found = verdict_on(claim(greater("relu", "elu", **{"train.clip_norm": 1}), lr=False), narrow)
    assert found.verdict is Verdict.REPRODUCED


def test_layers_of_two_widths_have_none() -> None:
    mixed = [row | {"params.model.hidden": "[8, 4]"} for row in SIX_SEEDS]
    found = verdict_on(claim(greater("relu", "elu", **{WIDTH: 8}), lr=False), mixed)
    assert found.verdict is Verdict.NOT_RUN


@pytest.mark.parametrize(
    ("settings", "has"),
    [
        ({}, "none"),
        ({"lr": 0.1, WIDTH: 8}, f"lr and {WIDTH}"),
        ({"seed": 3}, "none"),
        ({"lr": 0.1, "at": {"setting": WIDTH, "value": 3}}, "lr"),
    ],
)
def test_a_check_needs_one_setting_of_its_cells(settings: Mapping[str, object], has: str) -> None:
    with pytest.raises(ConfigError) as error:
        claim(greater("relu", "elu", **settings), lr=False)
    assert str(error.value) == (
        f"c: needs one setting of its cells, and has {has}. Give one, as `lr: 0.1` or "
        "`model.width: 64`."
    )
