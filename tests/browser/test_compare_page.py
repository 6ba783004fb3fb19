"""Two studies side by side as a reader opens them: from the file system, wide and narrow."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from actscope.report.cli import main
from tests.browser.conftest import NARROW, WIDE, Visit
from tests.support.making import RELU, make_point
from tests.support.studies import Lab

pytestmark = pytest.mark.slow  # CI runs it


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    lab = Lab(folder)
    for study, reduction in (("summed", "sum"), ("averaged", "mean")):
        points = [
            make_point(RELU, study=study, lr=lr, seed=seed, reduction=reduction, every="epoch")
            for seed in (0, 1)
            for lr in ((0.001, 0.01) if study == "summed" else (0.01, 0.1))
        ]
        sweep = lab.sweep(study)
        for stack in (points[:2], points[2:]):
            lab.log(sweep, lab.train(stack))
    settings = [f"tracking.uri={lab.store.uri}", f"report.folder={folder}"]
    assert main(["report.compare=[summed,averaged]", *settings]) == 0
    return folder / "summed+averaged" / "index.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_page_fits_its_window_and_shows_its_pictures(
    page_path: Path, visit: Visit, width: int, scheme: str
) -> None:
    page = visit(page_path, width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = page.evaluate("[...document.images].map((picture) => picture.naturalWidth)")
    assert len(pictures) == 2
    assert 0 not in pictures


def test_each_study_s_number_leads_to_its_own_runs(page_path: Path, visit: Visit) -> None:
    for number, folded in ((0, "second"), (1, "first")):
        page = visit(page_path)
        shared = page.get_by_role("cell").filter(has_text="difference")
        expect(shared).to_have_count(1)
        shared.get_by_role("link").nth(number).click()
        runs = page.locator("tbody:target")
        expect(runs.get_by_text("relu lr=0.01 seed=1")).to_be_visible()
        assert not str(runs.get_attribute("id")).startswith(folded)


def test_a_run_leads_to_its_study_in_the_explorer(page_path: Path, visit: Visit) -> None:
    page = visit(page_path)
    page.locator("details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
    page.get_by_role("link", name="relu lr=0.1 seed=0").click()
    expect(page.locator("main[aria-busy=false]")).to_be_visible()
    expect(page.get_by_label("Study or variant").first).to_have_value("averaged")
