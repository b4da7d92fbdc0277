"""The operator's page in a real browser, on a running pipeline."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.processes import descendants, started, wait_until

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).parents[1]
LONG, SHORT = 120_000, 20_000


@pytest.fixture(scope="module")
def page_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a small fast sky; at its end nothing it started is left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("app")
    environment = {"CONTRAIL_DATA": str(folder), "CONTRAIL_AIRCRAFT": "150", "CONTRAIL_INTERVAL": "2"}
    command = [sys.executable, "-m", "panel", "serve", str(ROOT / "app"), "--address", "127.0.0.1", "--port", str(port)]
    with started(command, environment, folder / "log") as server:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/app"), 60, "the page answers")
        yield f"http://127.0.0.1:{port}/app"
        family = descendants(server.pid)
        server.send_signal(signal.SIGTERM)
        server.wait(40)
        assert not [one for one in family.values() if one.is_running() and one.status() != "zombie"]


def answers(address: str) -> bool:
    with suppress(OSError):
        return bool(urllib.request.urlopen(address, timeout=5).status == 200)
    return False


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: `make test` installs Debian's where it may")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser, page_address: str) -> Iterator[Page]:
    """The page, opened; at its end no error in its console and no request to another host."""
    opened: Page = browser.new_page(viewport={"width": 1440, "height": 900})
    errors: list[str] = []
    hosts: set[str] = set()
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "request", lambda request: hosts.add(request.url.split("/")[2].split(":")[0] if "//" in request.url else "")
    )
    opened.goto(page_address)
    yield opened
    opened.close()
    assert errors == []
    assert hosts - {""} == {"127.0.0.1"}


def open_control(page: Page) -> None:
    page.get_by_role("tab", name="Control").click()


def part(page: Page, name: str):
    return page.locator(f".part-{name}")


def test_live_phases_come_through_the_pipeline_and_move_without_a_reload(page):
    expect(page.get_by_text("SIMULATED")).to_be_visible(timeout=SHORT)
    expect(page.get_by_text(re.compile(r"the last full one"))).to_be_visible(timeout=LONG)
    expect(page.get_by_role("heading", level=4, name=re.compile(r"^[\d,]+$"))).to_be_visible(timeout=LONG)
    first = page.get_by_text(re.compile(r"^Minute ")).text_content()
    expect(page.get_by_text(re.compile(r"^Minute "))).not_to_have_text(first or "", timeout=LONG)
    expect(page.get_by_text(re.compile(r"^\d+ s old$"))).to_be_visible()


def test_an_operator_stops_and_starts_a_stream_and_the_page_says_what_that_does(page):
    open_control(page)
    expect(part(page, "silver").get_by_text("running")).to_be_visible(timeout=LONG)
    part(page, "silver").get_by_role("button", name="Stop").click()
    expect(part(page, "silver").get_by_text("stopped")).to_be_visible(timeout=SHORT)
    expect(part(page, "bronze").get_by_text("running")).to_be_visible()
    expect(page.get_by_text(re.compile("silver is stopped"))).to_be_visible(timeout=LONG)
    part(page, "silver").get_by_role("button", name="Start").click()
    expect(part(page, "silver").get_by_text("running")).to_be_visible(timeout=SHORT)
    expect(page.get_by_text(re.compile(r"^\d+ s old$"))).to_be_visible(timeout=LONG)


def test_two_browsers_see_each_others_actions(page, browser, page_address):
    other = browser.new_page()
    other.goto(page_address)
    open_control(other)
    open_control(page)
    expect(part(page, "quarantine").get_by_text("running")).to_be_visible(timeout=LONG)
    part(page, "quarantine").get_by_role("button", name="Stop").click()
    expect(part(other, "quarantine").get_by_text("stopped")).to_be_visible(timeout=SHORT)
    part(other, "quarantine").get_by_role("button", name="Start").click()
    expect(part(page, "quarantine").get_by_text("running")).to_be_visible(timeout=SHORT)
    other.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_is_wider_than_the_screen(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    expect(page.get_by_text("SIMULATED")).to_be_visible(timeout=SHORT)
    for name in ("Live", "Control"):
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
