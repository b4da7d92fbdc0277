"""A served page and a real browser for tests: what a page must never do is watched while a test looks at it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from pipeline.broker import free_port
from pipeline.drill.processes import answers, descendants, started, wait_until

# What a busy machine may take until a page shows what it should; nothing waits longer than it has to.
PATIENCE_MS = 180_000
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
TABS = ("Live", "Map", "Alerts", "History", "Explore", "Control")


@contextmanager
def served(folder: Path, environment: dict[str, str], *options: str) -> Iterator[str]:
    """The address of a page that is served while the block runs; at its end nothing that it started is left."""
    port = free_port()
    command = [sys.executable, "-m", "panel", "serve", str(ROOT / "app"), "--address", "127.0.0.1", "--port", str(port)]
    command += options
    with started(command, {"CONTRAIL_DATA": str(folder), **environment}, folder / "log") as server:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/app"), 300, "the page answers")
        yield f"http://127.0.0.1:{port}/app"
        family = descendants(server.pid)
        server.terminate()
        server.wait(40)
        assert not [one for one in family.values() if alive(one)]


def alive(process: psutil.Process) -> bool:
    """Whether a process still runs."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def chromium() -> str:
    """The browser's program; the test is skipped, with the reason, where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: `make test` installs Debian's where it may")
    return program


# Texts of Panel that were taken for what somebody typed, and so are shown with their own tags.
MARKED_UP = """() => (window.Bokeh?.documents ?? []).flatMap(one => [...one.all_models])
  .map(model => model.object).filter(text => typeof text === "string" && text.includes("&amp;lt;"))"""


@contextmanager
def watched(browser: Browser, width: int = 1440) -> Iterator[Page]:
    """A page of its own; at its end no error was in its console, no request to another host, no tag shown as text."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda asked: hosts.add(asked.url.split("/")[2].split(":")[0] if "//" in asked.url else ""))
    yield page
    marked_up = page.evaluate(MARKED_UP)
    page.close()
    assert not errors, errors
    assert not marked_up, marked_up
    assert hosts - {""} <= {"127.0.0.1"}, hosts


def open_tab(page: Page, name: str) -> None:
    """Turn to a tab."""
    page.get_by_role("tab", name=name).click()


def settled(page: Page) -> None:
    """Wait until the page has been built: the curtain that Panel draws meanwhile is gone."""
    page.wait_for_function("document.body && !document.body.classList.contains('pn-loading')")


AT_REST = """() => {
  const roots = root => [root, ...[...root.querySelectorAll('*')].flatMap(one => one.shadowRoot ? roots(one.shadowRoot) : [])]
  return roots(document).every(root => !root.getAnimations().some(one => one instanceof CSSTransition))
}"""


def barriers(page: Page) -> list[tuple[str, str]]:
    """What keeps people out, by axe-core: its serious and critical violations, with the first element of each.

    A colour that is still on its way to another one is not judged: it is waited for.
    """
    page.wait_for_function(AT_REST)
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")]
