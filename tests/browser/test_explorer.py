"""The explorer as a reader uses it: choose, point, click, compare, by keyboard, on a phone."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Locator, Page, expect

from actscope import tracking
from actscope.analysis.frames import StudyRuns, read_study
from actscope.artifacts.unit_fates import unit_fates
from actscope.network_settings import OwnNetwork
from actscope.tracking import Store
from tests.browser.conftest import NARROW, SELU, STUDY, WIDE, Visit
from tests.support.making import RELU, make_point
from tests.support.studies import MARKUP, Lab, explorer_of

PAIR = "#a=selu/0.1/0&b=selu/0.001/0"


def settle(page: Page) -> None:
    expect(page.locator("main[aria-busy=false]")).to_be_visible()


def opened(visit: Visit, explorer: Path, address: str = PAIR, **words: Any) -> Page:
    page = visit(explorer, address, **words)
    settle(page)
    return page


def bright_units(page: Page, side: str) -> list[str]:
    """Units, as layer/unit, whose lines are not faded."""
    script = """(side) => document.getElementById(`panels-${side}`).data
      .filter((trace) => trace.meta && trace.opacity > 0.5).map((trace) => trace.meta.unit)"""
    return sorted(set(page.evaluate(script, side)))


def point_of(page: Page, side: str, unit: str) -> tuple[float, float]:
    """Where in the window the first point of a unit's line is, in its uppermost panel."""
    script = """([side, unit]) => {
      const panels = document.getElementById(`panels-${side}`);
      const line = panels.data.find((trace) => trace.meta?.unit === unit);
      const { xaxis, [line.yaxis.replace("y", "yaxis")]: yaxis } = panels._fullLayout;
      const [x, y] = [xaxis._offset + xaxis.d2p(line.x[0]), yaxis._offset + yaxis.d2p(line.y[0])];
      window.scrollBy(0, panels.getBoundingClientRect().top + y - window.innerHeight / 2);
      const { left, top } = panels.getBoundingClientRect();
      return [left + x, top + y];
    }"""
    return cast(tuple[float, float], tuple(page.evaluate(script, [side, unit])))


def heading(page: Page, side: str) -> Locator:
    return page.locator(f"#{side}-name")


def choice(page: Page, label: str, side: str | None = None) -> Locator:
    """The choice with that label, of one of the sides or of both together."""
    place = page if side is None else page.get_by_role("region", name=re.compile(f"^{side}: "))
    return place.get_by_role("combobox", name=label)


def choose(page: Page, label: str, value: str, side: str | None = None) -> None:
    choice(page, label, side).select_option(value)
    settle(page)


def test_it_opens_on_a_run_that_failed_beside_one_like_it_that_learned(
    visit: Visit, explorer: Path
) -> None:
    page = opened(visit, explorer, "")
    expect(page.locator("#a-summary")).to_contain_text("This run failed")
    expect(page.locator("#b-summary")).to_contain_text("This run learned")
    names = [heading(page, side).inner_text() for side in ("a", "b")]
    assert names[0].split(",")[0][3:] == names[1].split(",")[0][3:]
    assert page.evaluate("performance.getEntriesByName('drawn').length") > 0


def test_choices_show_another_run_and_only_on_their_side(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer)
    choose(page, "Activation", "relu", "A")
    choose(page, "Learning rate", "0.001", "A")
    expect(heading(page, "a")).to_have_text("A: relu, learning rate 0.001, seed 0")
    expect(heading(page, "b")).to_have_text("B: selu, learning rate 0.001, seed 0")
    assert page.url.endswith("#a=relu/0.001/0&b=selu/0.001/0")


def test_all_panels_share_one_axis_of_steps(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer)
    script = """(side) => {
      const panels = document.getElementById(`panels-${side}`);
      const axes = [...new Set(panels.data.map((trace) => trace.yaxis))];
      return [axes, panels._fullLayout.xaxis.range, Object.keys(panels.layout).includes("xaxis2")];
    }"""
    axes, steps, has_another = page.evaluate(script, "a")
    assert axes == ["y", "y2", "y3", "y4", "y5", "y6"]
    assert not has_another
    assert page.evaluate(script, "b")[1] == steps


def test_pointing_at_a_line_names_its_unit(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer)
    page.mouse.move(*point_of(page, "b", "1/3"))
    expect(page.locator("#panels-b .hovertext")).to_contain_text("layer 1, unit 3: ")


def test_a_click_isolates_a_unit_everywhere_and_another_brings_all_back(
    visit: Visit, explorer: Path
) -> None:
    page = opened(visit, explorer)
    everything = bright_units(page, "a")
    assert len(everything) == 20
    at = point_of(page, "b", "1/3")
    page.mouse.click(*at)
    settle(page)
    assert bright_units(page, "a") == bright_units(page, "b") == ["1/3"]
    assert page.url.endswith("&unit=1/3")
    page.mouse.click(*at)
    settle(page)
    assert bright_units(page, "a") == everything


def test_escape_brings_all_units_back(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer, f"{PAIR}&unit=-1/2")
    assert bright_units(page, "b") == ["-1/2"]
    page.keyboard.press("Escape")
    settle(page)
    assert len(bright_units(page, "b")) == 20


def test_a_unit_beyond_the_first_ones_is_drawn_when_it_is_chosen(
    visit: Visit, explorer: Path
) -> None:
    page = opened(visit, explorer)
    assert "1/12" not in bright_units(page, "a")
    choose(page, "Unit", "1/12")
    assert bright_units(page, "a") == ["1/12"]


def test_all_units_are_drawn_when_they_are_asked_for(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer)
    choose(page, "Lines", "all")
    assert len(bright_units(page, "a")) == 16 + 10


def test_dead_and_saturated_units_are_marked_in_words_and_lines(
    visit: Visit, explorer: Path, store: Store, study: StudyRuns
) -> None:
    page = opened(visit, explorer, "#a=relu/0.1/0&lines=all")
    run_id = study.used.set_index("name")["run_id"]["relu lr=0.1 seed=0"]
    fates = unit_fates(
        tracking.read_trajectory(store, STUDY, run_id), tracking.read_probe(store, STUDY, run_id)
    )
    first = fates[fates["layer"] == 1]
    dead, only_saturated = first["dead"], first["saturated"] & ~first["dead"]
    assert dead.any()
    expect(page.locator("#a-summary")).to_contain_text(
        f"Layer 1: {dead.sum()} of 16 units dead, {only_saturated.sum()} more saturated."
    )
    unit, since = first.loc[dead, ["unit", "dead_since"]].iloc[0]
    assert f"A: dead since step {since}" in option_of(page, f"1/{unit}")
    assert units_dashed(page, "a", "dot") == [f"1/{unit}" for unit in first.loc[dead, "unit"]]


def option_of(page: Page, unit: str) -> str:
    return page.locator(f'#unit option[value="{unit}"]').inner_text()


def units_dashed(page: Page, side: str, dash: str) -> Sequence[str]:
    script = """([side, dash]) => document.getElementById(`panels-${side}`).data
      .filter((trace) => trace.yaxis === "y4" && trace.line.dash === dash)
      .map((trace) => trace.meta.unit)"""
    return cast(Sequence[str], page.evaluate(script, [side, dash]))


def test_an_address_leads_back_to_what_was_shown(visit: Visit, explorer: Path) -> None:
    address = "#a=relu/0.1/0&b=selu/0.001/0&unit=1/3&lines=all&layer=-1&step=20"
    page = opened(visit, explorer, address)
    expect(heading(page, "a")).to_have_text("A: relu, learning rate 0.1, seed 0")
    expect(heading(page, "b")).to_have_text("B: selu, learning rate 0.001, seed 0")
    expect(choice(page, "Unit")).to_have_value("1/3")
    expect(choice(page, "Lines")).to_have_value("all")
    expect(choice(page, "Layer")).to_have_value("-1")
    expect(page.locator("#at")).to_have_text("step 20")
    choose(page, "Seed", "1", "A")
    choose(page, "Seed", "0", "A")
    assert page.url.endswith(address)


def test_another_address_in_the_open_page_is_followed(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer)
    page.evaluate("location.hash = '#a=relu/0.001/0'")
    expect(heading(page, "a")).to_have_text("A: relu, learning rate 0.001, seed 0")


@pytest.mark.parametrize(
    "address",
    [
        "#a=nothing/9/9",
        "#a=selu/0.1/0/elsewhere",
        "#a=%&b=%E0%A4%A",
        "#unit=1/999&layer=7&step=x&lines=&&=",
        "#a",
    ],
)
def test_an_address_of_nothing_still_opens(visit: Visit, explorer: Path, address: str) -> None:
    page = opened(visit, explorer, address)
    summary = page.locator("#a-summary").inner_text()
    assert "This run" in summary or summary == "This point has no finished run."


def test_a_point_without_a_run_says_so(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer)
    choose(page, "Seed", "1", "A")
    expect(page.locator("#a-summary")).to_have_text("This point has no finished run.")
    assert bright_units(page, "a") == []


def test_a_pointer_over_a_panel_that_goes_is_no_complaint(visit: Visit, explorer: Path) -> None:
    """Plotly answers a pointer up to 50 ms later, when its panel may be gone."""
    page = opened(visit, explorer)
    x, y = point_of(page, "a", "1/3")
    page.mouse.move(x, y)
    page.mouse.move(x + 2, y)
    page.mouse.move(x + 4, y)
    page.evaluate("change({ a: 'relu/0.001/1' })")
    settle(page)
    expect(page.locator("#a-summary")).to_have_text("This point has no finished run.")
    page.wait_for_timeout(100)


def test_a_run_that_diverged_at_once_says_so(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer, "#a=relu/0.1/1")
    expect(page.locator("#a-summary")).to_have_text(
        "This run diverged. 0 of 2 runs of this activation and rate learned. "
        "Its units were not recorded."
    )
    expect(page.locator("#a-scene")).to_have_text("No record up to this step.")
    assert "nothing recorded" in page.locator("#panels-a").inner_text()


def test_everything_can_be_chosen_by_keyboard(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer)
    page.get_by_role("link", name="Report").focus()
    passed = []
    while "step" not in passed:
        page.keyboard.press("Tab")
        passed.append(page.evaluate("document.activeElement.id"))
        if passed[-1] == "a-activation":
            page.keyboard.press("r")  # as a select has it: the option that begins so
            settle(page)
    assert [name for name in passed if name] == [
        *("layer", "unit", "lines"),
        *("a-activation", "a-lr", "a-seed", "b-activation", "b-lr", "b-seed"),
        *("play", "step"),
    ]
    expect(heading(page, "a")).to_have_text("A: relu, learning rate 0.1, seed 0")
    choice(page, "Unit").focus()
    page.keyboard.press("ArrowDown")
    settle(page)
    assert bright_units(page, "a") == ["1/0"]
    page.keyboard.press("Escape")
    settle(page)
    expect(choice(page, "Unit")).to_have_value("")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "is_stacked"), [(WIDE, False), (NARROW, True)])
def test_it_fits_its_window(
    visit: Visit, explorer: Path, width: int, is_stacked: bool, scheme: str
) -> None:
    page = opened(visit, explorer, width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [page.locator(f"#panels-{side}").bounding_box() for side in ("a", "b")]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert (boxes[0]["x"] == boxes[1]["x"]) == is_stacked
    assert (boxes[0]["y"] == boxes[1]["y"]) != is_stacked


def test_the_film_goes_through_the_steps(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer, f"{PAIR}&step=2")
    slider = page.get_by_label("Step of the film")
    expect(page.locator("#a-scene")).to_contain_text("Step 2: 0 of the 16 units shown are dead")
    assert units_in_film(page, "a") == [16, 16]  # by mean weight, and by activity
    slider.press("ArrowRight")
    expect(page.locator("#at")).to_have_text("step 4")
    slider.press("End")
    expect(page.locator("#b-scene")).to_contain_text("Step 90: ")
    assert units_in_film(page, "a") == [16, 16]
    assert page.url.endswith("&step=90")


def units_in_film(page: Page, side: str) -> list[int]:
    """How many units the bars of each row of histograms count."""
    script = """(side) => ["x", "x2"].map((axis) => document.getElementById(`film-${side}`).data
      .filter((trace) => trace.xaxis === axis).flatMap((trace) => trace.customdata)
      .reduce((sum, [count]) => sum + count, 0))"""
    return cast(list[int], page.evaluate(script, side))


@pytest.fixture(scope="module")
def deeper(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The explorer of a study of two depths; each depth has rates of its own."""
    grid = [(RELU, [8], 0.001), (RELU, [8, 8, 8], 0.1), (SELU, [8, 8, 8], 0.01)]
    for activation, hidden, lr in grid:
        lab.run("deeper", [make_point(activation, study="deeper", hidden=hidden, lr=lr, every=5)])
    path = tmp_path_factory.mktemp("deeper") / "explore.html"
    path.write_bytes(explorer_of(lab.store, "deeper", {"": read_study(lab.store, "deeper")}))
    return path


def test_a_number_that_varies_has_a_menu(visit: Visit, deeper: Path) -> None:
    page = opened(visit, deeper, "#a=relu/0.001/0/model.depth%3D1")
    choose(page, "Depth", "3", "A")
    expect(heading(page, "a")).to_have_text("A: relu, learning rate 0.1, seed 0, depth 3")
    choose(page, "Activation", "selu", "A")
    expect(heading(page, "a")).to_have_text("A: selu, learning rate 0.01, seed 0, depth 3")
    rates = choice(page, "Learning rate", "A").locator("option")
    assert rates.all_inner_texts() == ["0.01", "0.1"]
    expect(choice(page, "Study or variant", "A")).to_have_count(0)


def test_a_study_in_which_no_number_varies_has_no_such_menu(
    visit: Visit, lab: Lab, deeper: Path, tmp_path: Path
) -> None:
    lab.run("flat", [make_point(RELU, study="flat", hidden=[8], every=5)])
    studies = {name: read_study(lab.store, name) for name in ("deeper", "flat")}
    path = tmp_path / "explore.html"
    path.write_bytes(explorer_of(lab.store, "two", studies))
    page = opened(visit, path, "")
    choose(page, "Study or variant", "flat", "A")
    choose(page, "Study or variant", "deeper", "B")
    expect(choice(page, "Depth", "A")).to_have_count(0)
    expect(choice(page, "Depth", "B")).to_have_count(1)


def test_the_film_shows_all_hidden_layers_side_by_side(visit: Visit, deeper: Path) -> None:
    page = opened(visit, deeper, "#a=relu/0.1/0/model.depth%3D3&b=relu/0.001/0/model.depth%3D1")
    assert units_in_film(page, "a") == [24, 24]
    assert units_in_film(page, "b") == [8, 8]
    starts = page.evaluate("document.getElementById('film-a').data[0].base")
    assert sorted(set(starts)) == [0, 1, 2]
    expect(page.locator("#a-scene")).to_contain_text("of the 24 units shown are dead or saturated")


def test_the_film_plays_and_pauses(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer, f"{PAIR}&step=2")
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#at")).not_to_have_text("step 2")
    page.get_by_role("button", name="Pause").click()
    paused_at = page.locator("#at").inner_text()
    page.wait_for_timeout(400)
    assert page.locator("#at").inner_text() == paused_at


def test_the_film_does_not_play_for_who_wants_less_motion(visit: Visit, explorer: Path) -> None:
    page = opened(visit, explorer, reduced_motion="reduce")
    expect(page.get_by_role("button", name="Play")).to_have_count(0)
    expect(page.get_by_label("Step of the film")).to_be_visible()


def test_markup_from_a_store_is_text(
    visit: Visit, store: Store, study: StudyRuns, tmp_path: Path
) -> None:
    named = replace(study, runs=study.runs.assign(activation=MARKUP, variant=MARKUP))
    path = tmp_path / "explore.html"
    path.write_bytes(explorer_of(store, MARKUP, {"": named}))
    page = opened(visit, path, "")
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    expect(heading(page, "a")).to_contain_text(MARKUP)
    assert page.locator("script").count() == len(study.used) + 3


def test_another_study_shows_its_run_that_is_most_alike_and_offers_its_own(
    visit: Visit, store: Store, study: StudyRuns, tmp_path: Path
) -> None:
    only_selu = replace(study, runs=study.runs[study.runs["activation"] == "selu"])
    path = tmp_path / "explore.html"
    path.write_bytes(explorer_of(store, "both", {"one": study, "two": only_selu}))
    page = opened(visit, path, "#a=relu/0.1/0/one")
    choose(page, "Study or variant", "two", "A")
    expect(heading(page, "a")).to_have_text("A: selu, learning rate 0.1, seed 0, two")
    assert choice(page, "Activation", "A").locator("option").all_inner_texts() == ["selu"]
    assert choice(page, "Activation", "B").locator("option").all_inner_texts() == ["relu", "selu"]


def test_each_layer_of_a_network_of_ones_own_can_be_chosen(
    visit: Visit, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    lab = Lab(tmp_path_factory.mktemp("own"))
    point = replace(
        make_point(study="own", epochs=1, batch_size=100, lr=0.1, reduction="mean", every=5),
        model=OwnNetwork("tests.support.own_networks.Residual"),
    )
    lab.log(lab.sweep("own"), lab.train([point]))
    path = tmp_path / "explore.html"
    path.write_bytes(explorer_of(lab.store, "own", {"": read_study(lab.store, "own")}))
    page = opened(visit, path, "")
    assert choice(page, "Layer").locator("option").all_inner_texts() == [
        "layer 1 (first)",
        "layer 2 (second)",
        "output layer",
    ]
    choose(page, "Layer", "2")
    assert page.url.endswith("&layer=2")
    assert "(4) layer 2 (second): mean weight" in page.locator("#panels-a").inner_text()
    expect(page.locator("#a-summary")).to_contain_text("Layer 2: ")
    assert {unit.split("/")[0] for unit in bright_units(page, "a")} == {"2", "-1"}
    expect(page.locator("#a-scene")).to_contain_text("of the 12 units shown are dead or saturated")
