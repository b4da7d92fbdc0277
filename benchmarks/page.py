"""The page under its viewers: from Gold's commit to the pixel, and what fifty open sessions cost the server."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
import time
import urllib.request
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright
from tornado.websocket import websocket_connect

from benchmarks.server import page_served
from pipeline.serving import Reader
from pipeline.settings import load
from pipeline.tables import FLIGHT_PHASE_COUNTS, lake_of

SESSIONS = 50
WARM_UP_SECONDS = 120
# The last one: a browser that somebody listens to, as Playwright does, looks up the line of each Error that a module
# makes, and parses the module again for it: half a second in plotly's 4.7 MB, which no reader's browser spends.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--js-flags=--no-enable-lazy-source-positions",
]
# What a browser says once it has drawn the page: header, metadata and content of Bokeh's protocol.
READY = (
    '{"msgid": "1", "msgtype": "PATCH-DOC"}',
    "{}",
    '{"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": '
    '{"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}}}]}',
)
# Every change of the chart over time, at the frame that draws it.
WATCH = """() => {
  window.drawn = []
  const sources = Bokeh.documents[0].all_models
  for (const source of sources) if (source.type === "ColumnDataSource" && source.data.hatch !== undefined)
    source.properties.data.change.connect(() => requestAnimationFrame(() => window.drawn.push(Date.now() / 1000)))
}"""


@dataclass(frozen=True)
class PageCosts:
    """Seconds from a commit to the pixel, without and with other sessions; cores of the server; MiB; sessions left alive."""

    usable_seconds: float
    alone: list[float]
    crowded: list[float]
    cores_alone: float
    cores_crowded: float
    mib_before: float
    mib_after: float
    left_alive: int


def measure(folder: Path, seconds: float) -> PageCosts:
    """Serve the page with its pipeline; look at it alone for `seconds`, then twice as long with fifty more sessions open."""
    with served(folder) as (address, server), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page()
        usable = first_use(page, address)
        print(f"  usable after {usable:.2f} s", flush=True)
        alone, cores_alone = looked_at(page, folder, server, seconds)
        print(f"  alone: {[round(one, 2) for one in alone]} s, {cores_alone:.2f} core", flush=True)
        before = server.memory_info().rss / 2**20
        crowd = Crowd(address)
        crowded, cores_crowded = looked_at(page, folder, server, 2 * seconds)
        print(f"  with {SESSIONS} more: {[round(one, 2) for one in crowded]} s, {cores_crowded:.2f} core", flush=True)
        crowd.leave()
        left = wait_until_alone(page)
        after = server.memory_info().rss / 2**20
        browser.close()
    return PageCosts(usable, alone, crowded, cores_alone, cores_crowded, before, after, left)


def first_use(page: Page, address: str) -> float:
    """Seconds from the server's answer until the page can be used, once the pipeline has had two minutes to warm up."""
    page.goto(address)
    wait_for_figures(page)
    time.sleep(WARM_UP_SECONDS)
    page.goto(address, wait_until="commit")
    began = time.time()
    wait_for_figures(page)
    return time.time() - began


def wait_for_figures(page: Page) -> None:
    """Wait until the headline is there and Panel's curtain is gone."""
    page.locator(".figure-active_flights").get_by_text(re.compile(r"\d")).wait_for(timeout=180_000)
    page.wait_for_function("!document.body.classList.contains('pn-loading')", timeout=60_000)


def looked_at(page: Page, folder: Path, server: psutil.Process, seconds: float) -> tuple[list[float], float]:
    """Delays of all commits within `seconds`, and the cores that the server's own process used."""
    page.evaluate(WATCH)
    spent, began = sum(server.cpu_times()[:2]), time.time()
    time.sleep(seconds)
    cores = (sum(server.cpu_times()[:2]) - spent) / (time.time() - began)
    drawn = np.array(page.evaluate("window.drawn"))
    made = np.array([at for at in commits(folder) if began < at < began + seconds - 2])
    following = [drawn[drawn >= at] for at in made]
    return [float(after[0] - at) for at, after in zip(made, following, strict=True) if len(after)], cores


def commits(folder: Path) -> list[float]:
    """When (s since 1970) each version of Gold's phase counts was written."""
    lake = lake_of(load({}, data=str(folder)))
    Reader(lake).refresh(FLIGHT_PHASE_COUNTS)
    log = lake.log(FLIGHT_PHASE_COUNTS)
    return sorted(path.stat().st_mtime for path in log.glob("*.json"))


class Crowd:
    """Sessions that take every update as a browser does, but draw nothing."""

    def __init__(self, address: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._sockets: list[object] = []
        self._taking: list[object] = []
        self.taken = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        for _ in range(SESSIONS):
            asyncio.run_coroutine_threadsafe(self._join(address), self._loop).result(60)

    async def _join(self, address: str) -> None:
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(address, timeout=60).read().decode())
        token = re.search(r'"token":\s*"([^"]+)"', text)
        assert token is not None
        socket_address = address.replace("http", "ws", 1) + "/ws"
        joined = await websocket_connect(socket_address, subprotocols=["bokeh", token[1]])
        for part in READY:
            await joined.write_message(part)
        self._sockets.append(joined)
        self._taking.append(asyncio.ensure_future(self._take(joined)))

    async def _take(self, joined: object) -> None:
        while await joined.read_message() is not None:  # type: ignore[attr-defined]
            self.taken += 1

    def leave(self) -> None:
        """Close all sessions. Raises RuntimeError when they were not sent what a browser is sent."""
        for joined in self._sockets:
            self._loop.call_soon_threadsafe(joined.close)  # type: ignore[attr-defined]
        time.sleep(2)
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self.taken < 10 * SESSIONS:
            raise RuntimeError(f"{SESSIONS} sessions took {self.taken} frames only: they are no measure of viewers")


def wait_until_alone(page: Page) -> int:
    """How many pages are still alive, besides the one that looks, a minute after the others left."""
    page.get_by_role("tab", name="Control").click()
    pages = page.locator(".pages").get_by_text("Pages open")  # the text itself: that of its host is empty
    for _ in range(60):
        left = int(re.sub(r"\D", "", pages.text_content() or "")) - 1
        if left == 0:
            break
        time.sleep(1)
    return left


def served(folder: Path) -> AbstractContextManager[tuple[str, psutil.Process]]:
    """The page with its pipeline and a whole sky."""
    return page_served(folder, {"CONTRAIL_AIRCRAFT": "12000", "CONTRAIL_INTERVAL": "15"})
