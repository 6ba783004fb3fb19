"""How long a report's pages take to open: `.venv/bin/python docs/opening_time.py reports/mine`.

Needs Debian's chromium. Opens each page several times, each time in a tab of its own, and reads the
page's own clock long after it was drawn. A driver or the developer tools would nearly double the
time.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, sync_playwright

TIMES = 5
SECONDS_TILL_ASKED = 8.0
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
# When a page was drawn, ms. A script draws the explorer, so the explorer marks that time itself.
DRAWN = {
    "index.html": "performance.getEntriesByType('navigation')[0].loadEventEnd",
    "explore.html": "performance.getEntriesByName('drawn')[0].startTime",
}


def main(folder: Path) -> None:
    for name, drawn in DRAWN.items():
        page = folder.resolve() / name
        with chromium() as address, sync_playwright() as playwright:
            for _ in range(TIMES):
                open_tab(address, page)
                time.sleep(SECONDS_TILL_ASKED)
            browser = playwright.chromium.connect_over_cdp(address)
            seconds = seconds_to_draw(browser, page, drawn)
        print(  # noqa: T201 - it is what the script is for
            f"{name}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to "
            f"{max(seconds):.2f}), {page.stat().st_size / 1e6:.1f} MB"
        )


@contextmanager
def chromium() -> Iterator[str]:
    """Run a browser of its own; yields the address that opens tabs."""
    with TemporaryDirectory() as profile:
        command = [shutil.which("chromium") or "chromium", *FLAGS, f"--user-data-dir={profile}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:  # noqa: S603
            try:
                yield f"http://127.0.0.1:{port_of(process, Path(profile))}"
            finally:
                process.terminate()


def port_of(process: "subprocess.Popen[bytes]", profile: Path) -> str:
    """Where a browser listens, which it writes down once it does."""
    written = profile / "DevToolsActivePort"
    while not (written.exists() and written.read_text()):
        if process.poll() is not None:
            raise RuntimeError("chromium does not start")
        time.sleep(0.1)
    return written.read_text().split()[0]


def open_tab(address: str, page: Path) -> None:
    request = Request(f"{address}/json/new?{page.as_uri()}", method="PUT")  # noqa: S310 - our own
    with urlopen(request) as answer:  # noqa: S310
        json.load(answer)


def seconds_to_draw(browser: Browser, page: Path, drawn: str) -> list[float]:
    tabs = [tab for tab in browser.contexts[0].pages if tab.url.startswith(page.as_uri())]
    return [tab.evaluate(drawn) / 1000 for tab in tabs]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
