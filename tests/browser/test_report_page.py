"""The report's page as a reader opens it: from the file system, wide and narrow."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, WIDE, Visit

pytestmark = pytest.mark.slow  # CI runs it


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_page_fits_its_window_and_shows_its_pictures(
    report: Path, visit: Visit, width: int, scheme: str
) -> None:
    page = visit(report / "index.html", width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = page.evaluate("[...document.images].map((picture) => picture.naturalWidth)")
    assert pictures
    assert 0 not in pictures


def test_the_page_leads_to_the_explorer_and_back(report: Path, visit: Visit) -> None:
    page = visit(report / "index.html")
    page.get_by_role("link", name="Explore the runs").click()
    expect(page.locator("main[aria-busy=false]")).to_be_visible()
    page.get_by_role("link", name="Report").click()
    expect(page.get_by_role("heading", name="At a glance")).to_be_visible()


def test_a_run_leads_to_itself_in_the_explorer(report: Path, visit: Visit) -> None:
    page = visit(report / "index.html")
    page.get_by_text("All 5 runs").click()
    page.get_by_role("link", name="selu lr=0.1 seed=0").click()
    expect(page.get_by_role("heading", name="A: selu, learning rate 0.1, seed 0")).to_be_visible()


def test_a_number_leads_to_the_runs_behind_it(report: Path, visit: Visit) -> None:
    page = visit(report / "index.html")
    cell = page.get_by_role("row", name="selu").get_by_role("cell").nth(1).first
    cell.get_by_role("link").first.click()
    expect(page.locator("tbody:target").get_by_text("selu lr=0.1 seed=0")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_has_verdict_map_and_picture(
    report: Path, visit: Visit, scheme: str
) -> None:
    page = visit(report / "index.html", color_scheme=scheme)
    for part in (".first .answer", ".first .map", ".first img"):
        (box,) = (found.bounding_box() for found in page.locator(part).all())
        assert box is not None
        assert box["y"] + box["height"] <= 900
        assert box["x"] + box["width"] <= WIDE


def test_a_narrow_window_shows_verdict_and_map_without_scrolling(
    report: Path, visit: Visit
) -> None:
    page = visit(report / "index.html", width=NARROW)
    table = page.locator(".first .map table").bounding_box()
    assert table is not None
    assert table["x"] + table["width"] <= NARROW
    assert table["y"] + table["height"] <= 844


def test_the_map_tells_by_sign_word_and_colour_what_failed(report: Path, visit: Visit) -> None:
    page = visit(report / "index.html")
    lost = page.locator(".map td.bad").first
    expect(lost).to_contain_text("✗ 1 of 2 failed, ! 1 of 2 diverged")
    best = page.locator(".map td.best")
    expect(best).to_contain_text("★ best")
    colour = "cell => getComputedStyle(cell).backgroundColor"
    assert lost.evaluate(colour) != best.evaluate(colour)


def test_numbers_to_compare_end_at_the_same_place(report: Path, visit: Visit) -> None:
    page = visit(report / "index.html")
    ends = page.evaluate(
        """() => [...document.querySelectorAll(".map tbody tr")].map((row) =>
          Math.round(row.querySelector("td b").getBoundingClientRect().right))"""
    )
    assert len(ends) == 2
    assert len(set(ends)) == 1


def test_the_images_for_slides_are_a_click_away(report: Path, visit: Visit) -> None:
    page = visit(report / "index.html")
    page.get_by_text("For slides").click()
    links = page.locator(".slides").get_by_role("link")
    expect(links.first).to_be_visible()
    addresses = links.evaluate_all("all => all.map((link) => link.getAttribute('href'))")
    assert addresses == [
        f"figures/{name}{end}"
        for name in ("final_accuracy", "test_accuracy_by_epoch", "unit_shares")
        for end in ("_1920.png", ".svg")
    ]
    assert all((report / address).is_file() for address in addresses)
