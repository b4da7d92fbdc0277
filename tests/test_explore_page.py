"""The Explore tab in a real browser, over a lake whose rows are known: no pipeline runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from playwright.sync_api import Locator, Page, expect

from pipeline.tables import FLIGHTS_ML, Lake
from tests.browsing import barriers, served, settled, watched
from tests.test_sample import reports

ROWS = 3_000


def flights() -> pa.Table:
    """Reports of an hour with random places, altitudes and speeds; each tenth lacks its altitude, each seventh its place."""
    chance, table = np.random.default_rng(3), reports(ROWS).to_pandas()
    table["altitude_meters"] = np.where(np.arange(ROWS) % 10, chance.uniform(0, 12_000, ROWS), np.nan)
    table["velocity_kmh"] = chance.uniform(100, 1_000, ROWS)
    table["longitude"] = np.where(np.arange(ROWS) % 7, chance.uniform(-20, 40, ROWS), np.nan)
    table["latitude"] = chance.uniform(30, 60, ROWS)
    table["on_ground"] = np.arange(ROWS) % 40 == 0
    table["anomalies"] = [[] for _ in range(ROWS)]
    return pa.Table.from_pandas(table, FLIGHTS_ML.schema, preserve_index=False)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("explore")
    lake = Lake(str(folder / "lake"))
    list(lake.create())
    write_deltalake(lake.path(FLIGHTS_ML), flights(), mode="append")
    with served(folder, {"CONTRAIL_AUTOSTART": "no"}) as found:
        yield found


def opened(page: Page, address: str, query: str) -> Page:
    page.goto(f"{address}?tab=explore&{query}")
    settled(page)
    return page


def saved(page: Page, button: str) -> pd.DataFrame:
    with page.expect_download() as told:
        page.get_by_role("button", name=button).click()
    return pd.read_csv(Path(told.value.path()), float_precision="round_trip")


def known() -> pd.DataFrame:
    """The rows that the last hour shows: those before the last full minute."""
    table = flights().to_pandas()
    until = table["event_timestamp"].max().floor("min")
    return table[table["event_timestamp"].between(until - pd.Timedelta("1h"), until, inclusive="left")]


def plot(page: Page, name: str) -> Locator:
    return page.locator(f".brush-{name}")


def drag(page: Page, place: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over a plot, from and to places given as shares of its width and height."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box
    page.mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
    page.mouse.down()
    for share in (0.5, 1):
        across, up = (one + share * (other - one) for one, other in zip(start, end, strict=True))
        page.mouse.move(box["x"] + across * box["width"], box["y"] + up * box["height"])
    page.mouse.up()


def chosen_rows(page: Page) -> int:
    """How many rows the page says are chosen, once it says less than all and the drag's last word has come."""
    words = page.get_by_text(re.compile(r"rows chosen: "))
    expect(words).to_be_visible()
    told: list[str] = []
    while len(told) < 5 or len(set(told[-5:])) > 1:
        page.wait_for_timeout(300)
        told.append((words.text_content() or "").strip())
    found = re.match(r"([\d,]+) of ", told[-1])
    assert found
    return int(found[1].replace(",", ""))


def test_a_query_is_picked_its_rows_are_seen_and_saved(browser, address):
    with watched(browser) as page:
        opened(page, address, "view=tables")
        expect(page.get_by_text("Airborne aircraft", exact=True)).to_be_visible()
        page.get_by_label("SQL exploration").click()
        page.get_by_text("Altitude bands", exact=True).click()
        page.wait_for_url(re.compile("query=altitude_bands"))
        expect(page.get_by_text("Mean speed, km/h", exact=True)).to_be_visible()
        expect(page.get_by_text("13 rows;")).to_be_visible()
        found = saved(page, "Download CSV")
    rows = known()
    assert found["observations"].sum() == len(rows)
    assert found["observations"].iloc[-1] == rows["altitude_meters"].isna().sum()
    assert np.isnan(found["from_meters"].iloc[-1])


def test_a_header_sorts_all_rows_by_mouse_and_by_keyboard(browser, address):
    with watched(browser) as page:
        opened(page, address, "view=tables&query=altitude_bands")
        header = page.get_by_role("columnheader", name="Observations", exact=True)
        expect(header).to_have_attribute("aria-sort", "none")
        header.get_by_role("button").click()
        expect(header).to_have_attribute("aria-sort", "ascending")
        page.keyboard.press("Enter")
        expect(header).to_have_attribute("aria-sort", "descending")
        cells = page.locator(".answer tbody tr td:nth-child(4)").all_text_contents()
    counts = [int(one.replace(",", "")) for one in cells]
    rows = known()
    bands = np.floor(rows["altitude_meters"] / 1000).value_counts(dropna=False)
    assert counts == sorted(bands, reverse=True)


def test_a_brush_on_one_plot_moves_the_count_the_rows_and_the_others(browser, address):
    rows = known()
    with watched(browser) as page:
        opened(page, address, "view=brush")
        expect(page.locator(".chosen")).to_have_text(re.compile(f"{len(rows):,} of {len(rows):,} rows chosen."))
        drag(page, plot(page, "altitude_meters"), (0.3, 0.4), (0.6, 0.5))
        by_altitude = chosen_rows(page)
        kept = saved(page, "Save selection as CSV")
        assert len(kept) == by_altitude
        low, high = kept["altitude_meters"].min(), kept["altitude_meters"].max()
        assert rows["altitude_meters"].between(low, high).sum() == by_altitude
        assert 0.1 * len(rows) < by_altitude < 0.6 * len(rows)
        drag(page, plot(page, "map"), (0.3, 0.2), (0.6, 0.7))
        expect(page.locator(".chosen")).to_contain_text("an area of the map")
        both = saved(page, "Save selection as CSV")
        assert 0 < len(both) == chosen_rows(page) < by_altitude
        assert both["altitude_meters"].between(low, high).all()
        assert both[["longitude", "latitude"]].notna().all(axis=None)
        west, east, south, north = (
            getattr(both[name], end)() for name in ("longitude", "latitude") for end in ("min", "max")
        )
        inside = rows["longitude"].between(west, east) & rows["latitude"].between(south, north)
        assert (inside & rows["altitude_meters"].between(low, high)).sum() == len(both)
        assert drawn(page) == (len(both), len(both), len(both))
        page.get_by_role("button", name="Clear selection").click()
        expect(page.locator(".chosen")).to_have_text(re.compile(f"{len(rows):,} of {len(rows):,} rows chosen."))
        assert drawn(page)[0] == rows["longitude"].notna().sum()


def test_a_range_is_typed_stands_in_the_address_and_is_there_again_for_whoever_opens_that(browser, address):
    rows = known()
    expected = int(rows["altitude_meters"].between(2_000, 9_000).sum())
    with watched(browser) as page:
        opened(page, address, "view=brush")
        expect(page.locator(".chosen")).to_contain_text("rows chosen")
        field = page.get_by_label("Altitude, m: from..to")
        field.focus()
        page.keyboard.type("9000..2000")
        page.keyboard.press("Enter")
        expect(page.get_by_text("It has to be a range such as 2000..9000 (metres)")).to_be_visible()
        expect(page.locator(".chosen")).to_contain_text(f"{len(rows):,} of {len(rows):,} rows chosen.")
        field.fill("2000..9000")
        page.keyboard.press("Enter")
        assert chosen_rows(page) == expected
        page.wait_for_url(re.compile("brushed=altitude"))
        assert len(saved(page, "Save selection as CSV")) == expected
        link = page.url
    with watched(browser) as page:
        page.goto(link)
        settled(page)
        assert chosen_rows(page) == expected
        assert drawn(page)[1:] == (expected, expected)
        expect(page.get_by_label("Altitude, m: from..to")).to_have_value("2000..9000")
        page.get_by_role("button", name="Clear selection").click()
        expect(page.locator(".chosen")).to_contain_text(f"{len(rows):,} of {len(rows):,} rows chosen.")
        expect(page.get_by_label("Altitude, m: from..to")).to_have_value("")
        page.wait_for_function("!location.search.includes('brushed')")


def drawn(page: Page) -> tuple[int, int, int]:
    """Chosen rows as the browser draws them: dots on the map, and the heights of the coloured bars of time and speed."""
    page.wait_for_timeout(1000)
    return tuple(
        page.evaluate("""() => {
          const sources = Bokeh.documents[0].all_models ? [...Bokeh.documents[0].all_models] : []
          const bars = sources.filter(one => one.type == "ColumnDataSource" && one.data.none !== undefined)
          const dots = sources.find(one => one.type == "ColumnDataSource" && one.data.phase !== undefined && one.data.x !== undefined && one.data.radius === undefined)
          const sums = bars.map(bar => [...bar.data.none].reduce((a, b) => a + b, 0))
          return [dots.data.x.length, sums[1], sums[2]]
        }""")
    )


@pytest.mark.parametrize("view", ["figures", "tables", "brush"])
@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_each_view_fits_the_screen_and_keeps_nobody_out(browser, address, view: str, theme: str, width: int):
    with watched(browser, width) as page:
        opened(page, address, f"view={view}&theme={theme}")
        page.wait_for_timeout(4000)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert barriers(page) == []


def test_closed_pages_that_had_brushed_leave_nothing_behind(browser, address):
    for view in ("brush", "tables", "brush"):
        with watched(browser) as page:
            opened(page, address, f"view={view}")
            if view == "brush":
                expect(page.locator(".chosen")).to_contain_text("rows chosen")
                drag(page, plot(page, "altitude_meters"), (0.3, 0.4), (0.6, 0.5))
                chosen_rows(page)
    with watched(browser) as page:
        page.goto(f"{address}?tab=control")
        settled(page)
        # The one that left last may still wait for the garbage collector.
        expect(page.locator(".pages")).to_have_text(re.compile(r"^Pages open: [12]\s*$"))
