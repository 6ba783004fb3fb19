"""The report's page as a reader opens it: from the file system, wide and narrow."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, WIDE, Visit


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
