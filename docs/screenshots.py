"""The pictures in these pages, of a simulated sky that is filled and served for them: `make screenshots`."""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.page import FLAGS
from benchmarks.server import ROOT, page_served
from explore.__main__ import rows_of, sampled
from explore.figures import FIGURES, caption_of, drawn
from explore.style import png
from pipeline import ops, training_run
from pipeline.broker import Broker, create_topic
from pipeline.producer import Producer
from pipeline.serving import Reader
from pipeline.settings import Settings, load
from pipeline.sources.simulator import Sky
from pipeline.status_words import LABELS
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, Table, lake_of
from pipeline.training import Plan

IMAGES = Path(__file__).with_name("images")
PAST_SECONDS, STEP_SECONDS = 75 * 60, 60
BEHIND_SECONDS, PATIENCE_SECONDS, SETTLING_MS = 120, 600, 8000
FIGURE_DPI, MOST_BYTES = 100, 200_000
# Picture -> the address' query, and what is cut out of the page where it is not all of it.
PAGES = {
    "live": "tab=live",
    "live-dark": "tab=live&theme=dark",
    "map": "tab=map",
    "alerts": "tab=alerts",
    "history": "tab=history",
    "explore": "tab=explore&figure=altitude_against_speed",
    "explore-tables": "tab=explore&view=tables&query=altitude_bands",
    "explore-brush": "tab=explore&view=brush&brushed=altitude:3000..9000;area:-20,25,45,70",
    "control": "tab=control",
}
WINDOWS = "window-states"
# The frame of the card around an element: a component's shadow root hides what is outside it from `closest`.
BOX_OF_CARD = """one => {
  let card = null
  for (let at = one; !card && at; at = at.getRootNode().host) card = at.closest(".MuiPaper-root")
  const box = card.getBoundingClientRect()
  return [box.x, box.y, box.width, box.height]
}"""


def main() -> None:
    """Fill a throwaway lake, serve the page with its pipeline, and write every picture into `docs/images`."""
    with tempfile.TemporaryDirectory(prefix="contrail-") as scratch:
        settings = load({}, data=scratch)
        say("Filling Kafka with an hour of a simulated sky")
        fill(settings)
        with page_served(Path(scratch), {}) as (address, _):
            say("Waiting for the streams")
            wait_for_gold(settings)
            say("Taking pictures of the page")
            take_pages(address)
        # Without the page beside them: the training alone keeps two cores busy.
        train(settings)
        draw_figures(settings)


def say(words: str) -> None:
    """Say what happens."""
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def fill(settings: Settings) -> None:
    """Put more than an hour of the past into the Kafka that the page's own driver will use."""
    broker = Broker(settings.data_folder / "kafka", settings.cache_folder)
    broker.start(say)
    try:
        ops.claim_feed(lake_of(settings), settings.source)
        create_topic(broker.servers, settings.topic, settings.topic_partitions)
        sky, producer = Sky(settings.aircraft, settings.seed), Producer(broker.servers, settings.topic)
        now = int(time.time())
        for second in range(now - PAST_SECONDS, now, STEP_SECONDS):
            producer.send(sky.answer(second), settings.source, flush=False)
        producer.close()
    finally:
        broker.stop()


def wait_for_gold(settings: Settings) -> None:
    """Wait until both Gold tables have all of the past. Raises TimeoutError when they do not get there."""
    reader, until = Reader(lake_of(settings)), time.time() + PATIENCE_SECONDS
    while time.time() < until:
        newest = [newest_window(reader, table) for table in (FLIGHT_PHASE_COUNTS, ANOMALY_ALERTS)]
        if min(newest) > time.time() - BEHIND_SECONDS:
            return
        time.sleep(2)
    raise TimeoutError(f"Gold did not catch up within {PATIENCE_SECONDS} s.")


def newest_window(reader: Reader, table: Table) -> float:
    """When (s since 1970) the table's newest window began; 0 without one."""
    found = reader.one(table, "max(window_start) AS newest")["newest"] if reader.refresh(table) > 0 else None
    return 0.0 if found is None else float(found.timestamp())


def train(settings: Settings) -> None:
    """Train a little on the lake, so that the model's figure has something to show."""
    say("Training a small model")
    card = settings.data_folder / "model-card.md"
    training_run.command(settings, Plan(trees=5, depth=6, rounds=1, seeds=1, rows=30_000), card, say, classic=False)


def take_pages(address: str) -> None:
    """Every picture of the page itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for name, query in PAGES.items():
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{address}?{query}")
            settle(page)
            write(name, page.screenshot())
            if name == "live":
                write(WINDOWS, windows(page))
            page.close()
        browser.close()


def chromium() -> str:
    """The browser's program. Raises FileNotFoundError when there is none."""
    found = shutil.which("chromium")
    if found is None:
        raise FileNotFoundError("No chromium: install it (Debian: apt-get install chromium).")
    return found


def settle(page: Page) -> None:
    """Wait until the page is built and nothing is drawn any more."""
    page.wait_for_function("document.body && !document.body.classList.contains('pn-loading')", timeout=60_000)
    page.wait_for_timeout(SETTLING_MS)


def windows(page: Page) -> bytes:
    """The card of the phases over time, with the state of each minute's window."""
    box = page.get_by_role("heading", name="Flights per phase over time").first.evaluate(BOX_OF_CARD)
    return page.screenshot(full_page=True, clip=dict(zip(("x", "y", "width", "height"), box, strict=True)))


def draw_figures(settings: Settings) -> None:
    """Every figure of Explore, as `python -m explore` draws them, of the lake's last hour."""
    reader = Reader(lake_of(settings))
    sample = sampled(reader, None, None, ())
    for name in FIGURES:
        of = rows_of(name, reader, sample)
        figure = drawn(name, of, caption=f"{LABELS[settings.source]}: {caption_of(of)}")
        write(f"exploration/{name}", png(figure, FIGURE_DPI))


def write(name: str, picture: bytes) -> None:
    """Write a picture with at most 256 colours. Raises ValueError when it is too large for a repository."""
    path = IMAGES / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    colours.save(path, optimize=True)
    size = path.stat().st_size
    say(f"{path.relative_to(ROOT)} ({size / 1000:.0f} kB)")
    if size > MOST_BYTES:
        raise ValueError(f"{path} has {size:,} bytes: more than {MOST_BYTES:,}.")


if __name__ == "__main__":
    main()
