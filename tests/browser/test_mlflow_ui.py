"""MLflow's UI, as `python -m actscope ui` serves it, opened by the links that it prints."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from actscope import tracking
from actscope.analysis.frames import read_study
from actscope.config import Extras
from actscope.metric import ACCURACY
from actscope.tracking.ui_charts import sections_of
from tests.support.network import free_port, wait_until_up
from tests.support.studies import explorer_of
from tests.support.tracked import STUDY, log_study, new_store, trained

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses by view, and of the pages of a run and of its sweep."""
    folder = tmp_path_factory.mktemp("ui")
    store = new_store(folder)
    run_id, *_ = log_study(store, trained(), extras=Extras(model=True, plotly=True))
    tracking.ui.attach_report(store, STUDY, {"index.html": b"<p>the page of a report</p>"})
    reports = folder / "reports"
    (reports / STUDY).mkdir(parents=True)
    page = explorer_of(store, STUDY, {"": read_study(store, STUDY)})
    (reports / STUDY / "explore.html").write_bytes(page)
    parent = store.client.get_run(run_id).data.tags["mlflow.parentRunId"]
    told = folder / "ui.log"
    port = free_port()
    with told.open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "actscope", "ui", f"--port={port}", f"--reports={reports}"],
            env={**os.environ, "MLFLOW_TRACKING_URI": store.uri},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_up(f"http://127.0.0.1:{port}")
        views = dict(re.findall(rf"{STUDY}, (\w+): (\S+)", told.read_text()))
        runs = views["runs"].partition("?")[0]
        yield {**views, "run": f"{runs}/{run_id}", "sweep": f"{runs}/{parent}"}
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    yield page
    page.close()


def test_the_link_to_the_runs_shows_points_with_the_columns_that_tell_most(
    page: Page, links: dict[str, str]
) -> None:
    page.goto(links["runs"])
    for result in trained():
        expect(page.get_by_role("link", name=str(result.point))).to_be_visible()
    expect(page.get_by_text("3 matching runs")).to_be_visible()
    for column in ("saturated/hidden", "test/accuracy", "actscope.outcome", "actscope.accuracy"):
        expect(page.get_by_role("columnheader", name=column).first).to_be_attached()


def test_the_link_to_the_charts_groups_by_activation_and_rate(
    page: Page, links: dict[str, str]
) -> None:
    page.goto(links["charts"])
    expect(page.get_by_text("Group by: activation")).to_be_visible()
    expect(page.get_by_text("Group: activation: relu").first).to_be_attached()
    tops = []
    for title in sections_of(ACCURACY):
        heading = page.get_by_text(re.compile(rf"^{title}")).first
        expect(heading).to_be_attached()
        tops.append(heading.bounding_box()["y"])
    assert tops == sorted(tops)
    for width in (1500, 1000):
        page.set_viewport_size({"width": width, "height": 900})
        expect(page.get_by_text("test/accuracy", exact=True).first).to_be_in_viewport()


def test_a_run_tells_its_outcome_data_and_picture(page: Page, links: dict[str, str]) -> None:
    page.goto(links["run"])
    expect(page.get_by_text("final test accuracy").first).to_be_visible()
    expect(page.get_by_text(re.compile("hidden units? died")).first).to_be_visible()
    expect(page.get_by_text("digits (2e7750b9").first).to_be_visible()
    page.goto(f"{links['run']}/artifacts/trajectories.svg")
    expect(page.get_by_text("trajectories.svg").first).to_be_visible()
    expect(
        page.locator("img[alt*='trajectories'], .image-outer-container img").first
    ).to_be_visible()


def test_a_run_links_to_its_units_in_the_explorer(page: Page, links: dict[str, str]) -> None:
    page.goto(links["run"])
    link = page.get_by_role("link", name="Its units, step by step")
    with page.context.expect_page() as opened:
        link.click()
    point = trained()[0].point
    heading = f"A: {point.activation.name}, learning rate {point.lr:g}, seed {point.seed}"
    expect(opened.value.get_by_role("heading", name=heading)).to_be_visible()


def test_an_address_without_a_report_names_the_command_that_builds_it(
    page: Page, links: dict[str, str]
) -> None:
    page.goto(links["runs"].partition("#")[0] + "reports/other/explore.html")
    expect(page.get_by_text("Build it: actscope report study=other")).to_be_visible()


def test_a_run_shows_its_trajectories_on_request(page: Page, links: dict[str, str]) -> None:
    page.goto(f"{links['run']}/artifacts/trajectories.html")
    panels = page.frame_locator("iframe").locator(".js-plotly-plot")
    expect(panels.get_by_text("(5) layer 1: bias")).to_be_visible()


def test_a_run_tells_what_its_model_takes_and_gives(page: Page, links: dict[str, str]) -> None:
    page.goto(f"{links['run']}/artifacts/model")
    expect(page.get_by_text("Model schema")).to_be_visible()
    expect(page.get_by_text("Tensor (dtype: float32, shape: [-1,64])")).to_be_visible()


def test_a_sweep_has_the_report(page: Page, links: dict[str, str]) -> None:
    page.goto(f"{links['sweep']}/artifacts/report/index.html")
    expect(page.frame_locator("iframe").get_by_text("the page of a report")).to_be_visible()


def test_nothing_is_asked_of_anyone_else(page: Page, links: dict[str, str]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(links["runs"])
    expect(page.get_by_text("3 matching runs")).to_be_visible()
    own = links["runs"].partition("/#")[0]
    assert [url for url in asked if not url.startswith((own, "data:", "blob:"))] == []
