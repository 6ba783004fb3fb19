"""Take the pictures of mlflow-ui.md: `.venv/bin/python docs/screenshots.py`.

Needs the runs of `make sweep` in the project's store, and Debian's chromium.
"""

import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from actscope import tracking
from actscope.config import Tracking

STUDY, PORT = "quickstart", 5099
ADDRESS = f"http://127.0.0.1:{PORT}"
IMAGES = Path(__file__).parent / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]


def main() -> None:
    store = tracking.locate_store(Tracking())
    experiment_id = store.find_experiment(STUDY).experiment_id
    runs = tracking.read_runs(store, STUDY)
    run_id = runs.loc[(runs["name"] == "selu lr=0.01 seed=0") & (runs["status"] == "FINISHED")]
    run = f"{ADDRESS}/#/experiments/{experiment_id}/runs/{run_id['run_id'].iloc[-1]}"
    pages = {
        **tracking.ui.view_addresses(ADDRESS, experiment_id),
        "run": run,
        "artifacts": f"{run}/artifacts/trajectories.svg",
    }
    command = [sys.executable, "-m", "actscope", "ui", "--port", str(PORT)]
    server = subprocess.Popen(command)  # noqa: S603 - our own words
    try:
        wait_until_up()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=FLAGS
            )
            for name, address in pages.items():
                page = browser.new_page(viewport={"width": 1400, "height": 850})
                page.goto(address)
                take(page, IMAGES / f"ui_{name}.png")
                page.close()
    finally:
        server.terminate()
        server.wait()


def wait_until_up() -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{ADDRESS}/health", timeout=2).close()  # noqa: S310 - our own
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(ADDRESS)


def take(page: Page, path: Path) -> None:
    page.get_by_text(STUDY).first.wait_for()
    assistant = page.get_by_role("button", name="Close").first
    page.wait_for_timeout(5000)  # charts are drawn one after the other
    if assistant.is_visible():
        assistant.click()
        page.wait_for_timeout(2000)
    where_it_lies = page.get_by_text("Path: file:")
    page.screenshot(path=path, mask=[where_it_lies], mask_color="#ffffff")


if __name__ == "__main__":
    main()
