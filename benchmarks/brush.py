"""Explore's brushed view in a real browser: from the end of a drag until all plots and the table have followed."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.page import FLAGS
from benchmarks.server import page_served

DRAGS, WARM_UP, PATIENCE_MS = 24, 4, 30_000
PLOTS = ("altitude_meters", "velocity_kmh", "time_ms", "map")
# The three histograms' bars, the map's dots and the table: each notes the frame that draws what it was given last.
WATCH = """() => {
  window.drawn = {}
  window.released = Infinity
  document.addEventListener("pointerup", () => { window.released = performance.now(); window.drawn = {} }, true)
  const note = name => requestAnimationFrame(() => { if (!(name in window.drawn)) window.drawn[name] = performance.now() })
  let bars = 0
  for (const model of Bokeh.documents[0].all_models) {
    if (model.type === "ColumnDataSource" && model.data.none !== undefined) {
      const name = "bars" + bars++
      model.properties.data.change.connect(() => note(name))
    } else if (model.type === "ColumnDataSource" && model.data.phase !== undefined && model.data.x !== undefined && !("radius" in model.data)) {
      model.properties.data.change.connect(() => note("dots"))
    }
  }
  const find = root => root.querySelector(".scroll") || [...root.querySelectorAll("*")].map(one => one.shadowRoot && find(one.shadowRoot)).find(Boolean)
  const place = find(document).parentNode
  new MutationObserver(() => note("table")).observe(place, {childList: true})
}"""
FOLLOWED = "() => Object.keys(window.drawn).length === 5"
SECONDS = "() => (Math.max(...Object.values(window.drawn)) - window.released) / 1000"


def measure(folder: Path, lake: Path) -> list[float]:
    """Seconds from the end of each drag over the plots in turn, of a lake whose last hour has 10,000 rows or more."""
    given = {"CONTRAIL_LAKE": str(lake), "CONTRAIL_AUTOSTART": "no"}
    with page_served(folder, given) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1600})
        page.goto(f"{address}?tab=explore&view=brush")
        page.get_by_text("rows chosen").wait_for(timeout=PATIENCE_MS)
        time.sleep(3)
        page.evaluate(WATCH)
        seconds = [dragged(page, PLOTS[number % len(PLOTS)], number) for number in range(WARM_UP + DRAGS)]
        browser.close()
    return seconds[WARM_UP:]


def dragged(page: Page, plot: str, number: int) -> float:
    """Drag over a plot, each time another part, and wait for all to follow. Raises TimeoutError when one does not."""
    box = page.locator(f".brush-{plot}").bounding_box()
    assert box is not None
    left, right = 0.2 + 0.02 * (number % 7), 0.8 - 0.02 * (number % 5)
    top, bottom = box["y"] + 0.25 * box["height"], box["y"] + 0.65 * box["height"]
    page.mouse.move(box["x"] + left * box["width"], top)
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(box["x"] + (left + step / 10 * (right - left)) * box["width"], top + step / 10 * (bottom - top))
        time.sleep(0.03)
    page.mouse.up()
    page.wait_for_function(FOLLOWED, timeout=PATIENCE_MS)
    seconds = float(page.evaluate(SECONDS))
    time.sleep(0.5)
    return seconds
