"""How long a report's pages take to open: `.venv/bin/python docs/opening_time.py reports/mine`.

Wants Debian's chromium. Each page is opened several times by a tab that has not seen it before, and
is open when its pictures are drawn.
"""

import shutil
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

TIMES = 5
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
DRAWN = {"index.html": "img", "explore.html": "main[aria-busy=false]"}


def main(folder: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, drawn in DRAWN.items():
            page = folder.resolve() / name
            seconds = [opened(browser, page, drawn) for _ in range(TIMES)]
            print(  # noqa: T201 - it is what the script is for
                f"{name}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to "
                f"{max(seconds):.2f}), {page.stat().st_size / 1e6:.1f} MB"
            )
        browser.close()


def opened(browser: Browser, path: Path, drawn: str) -> float:
    page = browser.new_page()
    start = time.perf_counter()
    page.goto(path.as_uri(), wait_until="load")
    page.locator(drawn).first.wait_for()
    seconds = time.perf_counter() - start
    page.close()
    return seconds


if __name__ == "__main__":
    main(Path(sys.argv[1]))
