"""The operator's page in a real browser, on a running pipeline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import orjson
import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline import ops
from pipeline.serving import Reader
from pipeline.sources.simulator import Sky
from pipeline.tables import FLIGHTS_ML, Lake
from tests.browsing import TABS, barriers, open_tab, served, settled, watched

FIGURE = re.compile(r"^[\d,]+\s*$")
AGE = re.compile(r"^\d+ s old\s*$")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A server with a small sky: each snapshot costs the same work, however small it is."""
    with served(folder, {"CONTRAIL_AIRCRAFT": "150", "CONTRAIL_INTERVAL": "10"}) as found:
        yield found


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with watched(browser) as opened:
        opened.goto(address)
        settled(opened)
        yield opened


def part(page: Page, name: str):
    return page.locator(f".part-{name}")


def press(page: Page, name: str, verb: str) -> None:
    part(page, name).get_by_role("button", name=re.compile(f"^{verb} ")).click()


def chip(page: Page, name: str):
    return page.locator(f".{name}")


# The first of these tests: the server that the others share is not there yet.
def test_the_page_follows_a_switch_to_a_recording_and_both_logs_tell_of_it(browser, tmp_path):
    sky, told = Sky(60, seed=5), tmp_path / "recordings"
    told.mkdir()
    (tmp_path / "data").mkdir()
    answers = [sky.answer(1_790_000_000 + 15 * number) for number in range(20)]
    lines = [orjson.dumps({"time": answer.time, "states": answer.states}) for answer in answers]
    (told / "morning.jsonl").write_bytes(b"\n".join(lines))
    environment = {"CONTRAIL_AUTOSTART": "no", "CONTRAIL_RECORDINGS": str(told)}
    with served(tmp_path / "data", environment) as address, watched(browser) as page:
        page.goto(f"{address}?tab=control")
        settled(page)
        choose(page, "Feed", "OpenSky, the real sky")
        expect(page.get_by_text("Account anonymous: a call costs 4 of 400 credits a day")).to_be_visible()
        choose(page, "Feed", "A recording")
        page.get_by_label("Speed (0: as fast as possible)").fill("0")
        page.get_by_label("Speed (0: as fast as possible)").press("Enter")
        expect(page.get_by_text("Played as fast as possible.")).to_be_visible()
        page.get_by_role("button", name="Switch feed").click()
        expect(page.locator(".source")).to_contain_text("REPLAY")
        expect(page.get_by_text("Played as fast as possible.")).to_be_visible()
        expect(part(page, "flight_phase_counts")).to_contain_text(re.compile(r"[1-9]\d* rows"))
        expect(page.locator(".actions")).to_contain_text("switch feed")
    assert [one["verb"] for one in ops.actions(Lake(str(tmp_path / "data" / "lake")), 5)] == ["switch feed"]


def test_live_figures_come_through_the_pipeline_and_move_without_a_reload(page):
    expect(chip(page, "source")).to_contain_text("SIMULATED")
    expect(page.locator(".figure-active_flights")).to_have_text(FIGURE)
    expect(page.locator(".figure-anomaly_rate")).to_have_text(re.compile(r"%\s*$"))
    caption = page.get_by_text(re.compile(r"^Minute "))
    first = caption.text_content()
    expect(caption).not_to_have_text(first or "")
    expect(chip(page, "age")).to_have_text(AGE)


def test_a_figure_shows_its_passport(page):
    page.get_by_role("button", name="What Active flights means").click()
    expect(page.get_by_role("dialog")).to_contain_text("count(distinct icao24)")
    expect(page.get_by_role("dialog")).to_contain_text("silver/flights_ml")


def test_an_operator_stops_and_starts_a_stream_and_the_page_says_what_that_does(page):
    open_tab(page, "Control")
    expect(part(page, "silver")).to_contain_text("running")
    press(page, "silver", "Stop")
    expect(part(page, "silver")).to_contain_text("stopped")
    expect(part(page, "bronze")).to_contain_text("running")
    expect(chip(page, "age")).to_contain_text("silver is stopped")
    press(page, "silver", "Start")
    expect(part(page, "silver")).to_contain_text("running")
    expect(chip(page, "age")).to_have_text(AGE)


def test_two_browsers_see_each_others_actions(page, browser, address, folder):
    with watched(browser) as other:
        other.goto(f"{address}?tab=control")
        open_tab(page, "Control")
        expect(part(page, "quarantine")).to_contain_text("running")
        press(page, "quarantine", "Stop")
        expect(part(other, "quarantine")).to_contain_text("stopped")
        press(other, "quarantine", "Start")
        expect(part(page, "quarantine")).to_contain_text("running")
        expect(page.locator(".actions")).to_contain_text("guest: stop quarantine")
    taken = [one for one in ops.actions(Lake(str(folder / "lake")), 10) if one["names"] == ["quarantine"]]
    # On a page that is drawn anew under the pointer, the browser may press once more: that is noted too, and changes nothing.
    assert [verb for verb, _ in groupby(one["verb"] for one in taken)] == ["start", "stop"]
    assert {one["outcome"] for one in taken} == {"asked"}


def test_a_reset_asks_for_the_streams_name_and_can_be_undone(page, folder):
    open_tab(page, "Control")
    expect(part(page, "flight_phase_counts")).to_contain_text("running")
    press(page, "flight_phase_counts", "Reset")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("computed again")
    expect(dialog.get_by_role("button", name="Reset the stream")).to_be_disabled()
    dialog.get_by_label("The stream's name").fill("flight_phase_counts")
    dialog.get_by_role("button", name="Reset the stream").click()
    expect(part(page, "flight_phase_counts").get_by_role("button", name=re.compile("^Undo reset"))).to_be_visible()
    expect(part(page, "flight_phase_counts")).to_contain_text("running")
    press(page, "flight_phase_counts", "Undo reset")
    expect(page.locator(".actions")).to_contain_text("undo reset flight_phase_counts")
    expect(part(page, "flight_phase_counts")).to_contain_text("running")


def test_a_shared_address_opens_the_same_view(browser, address, page, folder):
    expect(page.locator(".figure-active_flights")).to_have_text(FIGURE)
    newest = "WHERE longitude IS NOT NULL ORDER BY event_timestamp DESC LIMIT 1"
    icao24 = Reader(Lake(str(folder / "lake"))).rows(FLIGHTS_ML, "icao24", newest)[0]["icao24"]
    with watched(browser) as other:
        other.goto(f"{address}?tab=map&aircraft={icao24}&theme=dark")
        settled(other)
        expect(other.get_by_role("tab", name="Map")).to_have_attribute("aria-selected", "true")
        expect(other.get_by_text(icao24).locator("visible=true").first).to_be_visible()


def test_what_an_address_must_not_hold_is_left_out_and_named(browser, address):
    with watched(browser) as other:
        other.goto(f"{address}?tab=nonsense&range=5h&phases=FLYING&since=yesterday&evil=%3Cscript%3E")
        settled(other)
        notice = other.locator(".notice")
        for name in ("tab", "range", "phases", "since", "evil"):
            expect(notice).to_contain_text(name)
        expect(other.get_by_role("tab", name="Live")).to_have_attribute("aria-selected", "true")


def test_the_address_follows_the_view(page):
    open_tab(page, "Alerts")
    page.wait_for_url(re.compile("tab=alerts"))
    page.get_by_label("Toggle theme").click()
    page.wait_for_url(re.compile("theme=dark"))


@pytest.mark.parametrize(("theme", "widths"), [("light", [1440]), ("dark", [390, 1440])])
def test_nothing_is_wider_than_the_screen_and_nothing_keeps_a_reader_with_other_means_out(
    browser, address, theme, widths
):
    told = []
    with watched(browser, widths[0]) as opened:
        opened.goto(f"{address}?theme={theme}")
        settled(opened)
        for tab in TABS:
            open_tab(opened, tab)
            for width in widths:
                opened.set_viewport_size({"width": width, "height": 900})
                opened.wait_for_timeout(2500)
                told += [(tab, width, *found) for found in barriers(opened)]
                assert opened.evaluate("document.documentElement.scrollWidth") <= width, tab
    assert not told, json.dumps(told, indent=1)


def test_a_closed_page_leaves_nothing_behind(browser, address, page):
    open_tab(page, "Control")
    for _ in range(4):
        with watched(browser) as other:
            other.goto(f"{address}?tab=live")
            settled(other)
            for name in TABS:
                open_tab(other, name)
                expect(other.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    expect(page.locator(".pages")).to_have_text(re.compile(r"^Pages open: 1\s*$"))


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("menuitem", name=option).click()
