"""The pictures of the application in these pages, taken from the page that runs: `make run` first, then `make screenshots`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

TABS = ("live", "map", "alerts", "history", "explore", "control")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SETTLING_MS = 6000


def main(address: str = "http://127.0.0.1:5006/app") -> None:
    """Write `docs/images/<tab>.png` for every tab."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for tab in TABS:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{address}?tab={tab}")
            page.wait_for_timeout(SETTLING_MS)
            page.screenshot(path=Path(__file__).parent / "images" / f"{tab}.png")
            page.close()
            print(f"docs/images/{tab}.png", flush=True)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
