"""A small report, and a Chromium that opens it from the file system."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from actscope.analysis import frames
from actscope.analysis.frames import StudyRuns
from actscope.config import Activation, Point
from actscope.engine.result import Outcome, RunResult
from actscope.report.cli import main
from actscope.report.explorer import explore
from actscope.tracking import Store
from tests.support.making import RELU, make_point
from tests.support.studies import Lab, explorer_of

SELU = Activation("selu", "torch.nn.SELU")
STUDY = "looked_at"
WIDE, NARROW = 1400, 390

Visit = Callable[..., Page]


def looked_at_point(activation: Activation, lr: float, seed: int = 0) -> Point:
    return make_point(
        activation, study=STUDY, lr=lr, seed=seed, epochs=6, batch_size=100, every=2, probe_every=20
    )


def diverged_at_once(result: RunResult) -> RunResult:
    return replace(
        result,
        outcome=Outcome.DIVERGED,
        diverged_at=1,
        history=result.history[:0],
        trajectory=result.trajectory[:0],
        probe=result.probe[:0],
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A study in which runs learn, fail and diverge.

    Seed 0 has both activations at both rates; of seed 1 there is only ReLU at 0.1, diverged before
    anything was recorded.
    """
    lab = Lab(tmp_path_factory.mktemp("looked_at"))
    points = [looked_at_point(activation, lr) for activation in (RELU, SELU) for lr in (0.001, 0.1)]
    sweep = lab.sweep(STUDY)
    lab.log(sweep, lab.train(points))
    lab.log(sweep, [diverged_at_once(*lab.train([looked_at_point(RELU, 0.1, seed=1)]))])
    return lab.store


@pytest.fixture(scope="session")
def study(store: Store) -> StudyRuns:
    return frames.read_study(store, STUDY)


@pytest.fixture(scope="session")
def explorer(store: Store, study: StudyRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The explorer of that study, without the rest of its report, which takes far longer."""
    path = tmp_path_factory.mktemp("explorer") / explore.NAME
    path.write_bytes(explorer_of(store, STUDY, {"": study}))
    return path


@pytest.fixture(scope="session")
def report(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of that study's whole report."""
    folder = tmp_path_factory.mktemp("reports")
    settings = [f"study={STUDY}", f"tracking.uri={store.uri}", f"report.folder={folder}"]
    assert main(settings) == 0
    return folder / STUDY


# Not for the session: while it lives, nothing else in this process can run an event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium here")
    expect.set_options(timeout=30_000)  # on a busy machine a page may take its time
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield browser
        browser.close()


@dataclass
class Window:
    """A window of the browser: its page, and what that complained of or asked the network for."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.route(is_elsewhere, self.refuse)

    def refuse(self, route: Route) -> None:
        self.complaints.append(f"asked for {route.request.url}")
        route.abort()

    def visit(self, path: Path, address: str = "", *, width: int = WIDE, **media: Any) -> Page:
        """Open a file; what is already open only goes to the address, which takes far less time."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(**{"color_scheme": "light", "reduced_motion": None, **media})
        if self.page.url.partition("#")[0] == path.as_uri():
            self.page.evaluate(GO_TO, address)
        else:
            self.page.goto(f"{path.as_uri()}{address}")
        return self.page


GO_TO = """(address) => location.hash === address || new Promise((done) => {
  window.addEventListener("hashchange", done, { once: true });
  location.hash = address;
})"""


def is_elsewhere(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:"))


@pytest.fixture(scope="package")
def window(browser: Browser) -> Window:
    return Window(browser.new_page())


@pytest.fixture
def visit(window: Window) -> Iterator[Visit]:
    """`visit(path, "#a=...", width=390, color_scheme="dark")`: a page, which must not complain.

    Nor may it ask for anything that is not in the file. Further words are those of playwright's
    Page.emulate_media.
    """
    yield window.visit
    complaints, window.complaints = window.complaints, []
    assert complaints == []
