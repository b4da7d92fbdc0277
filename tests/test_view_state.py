"""What an address may hold, and that it comes back as it was."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))

from view_state import PARAMETERS, ViewState, read, written

from explore.brush import Brushes

FULL = {
    "tab": "map",
    "theme": "dark",
    "range": "6h",
    "phases": ["CLIMB", "CRUISE"],
    "countries": ["Spain", "Korea, Republic of"],
    "altitudes": (-300, 12_000),
    "find": "DLH4",
    "aircraft": "4b1814",
    "threshold": 2.5,
    "least": 3,
    "moved": ("altitude_low", -250.0),
    "since": datetime(2026, 11, 24, 6, 30, tzinfo=UTC),
    "until": datetime(2026, 11, 24, 7, 0, tzinfo=UTC),
    "asof": datetime(2026, 11, 23, 0, 0, tzinfo=UTC),
    "compare": True,
    "view": "tables",
    "figure": "phases",
    "query": "altitude_bands",
    "brushed": Brushes((("altitude_meters", (2_000, 9_000)),), (-10.5, 40, 5, 52)),
}


def test_a_view_comes_back_from_its_address_as_it_was():
    state = ViewState(**FULL)
    again = ViewState()
    assert read(written(state), again) == []
    assert {name: getattr(again, name) for name in PARAMETERS} == FULL


def test_what_is_at_its_default_does_not_stand_in_the_address():
    assert written(ViewState()) == ""
    assert written(ViewState(range="6h")) == "?range=6h"


@pytest.mark.parametrize(
    "search",
    [
        "tab=admin",
        "theme=neon",
        "range=2h",
        "view=sql",
        "query=SELECT+1",
        "brushed=altitude:9000..2000",
        "brushed=colour:1..2",
        "brushed=area:1,2,3",
        "phases=CRUISE,FLYING",
        "countries=" + ";".join(["x"] * 51),
        "countries=" + "x" * 61,
        "altitudes=9..1",
        "altitudes=0..99999",
        "find=a%27%20OR%201",
        "aircraft=4B1814",
        "aircraft=../etc",
        "threshold=nan",
        "threshold=101",
        "threshold=1e999",
        "least=0",
        "least=2.5",
        "moved=altitude_high",
        "moved=altitude_high:nan",
        "moved=squawk:7700",
        "since=yesterday",
        "until=9999999999999",
        "asof=",
        "since=0001-01-01T00:00%2B05:00",
        "until=0001-01-01T00:30Z",
        "asof=9999-12-31T23:59-05:00",
        "compare=maybe",
        "figure=..%2Fx",
        "script=1",
        "since=2026-11-24T07:00Z&until=2026-11-24T06:00Z",
    ],
)
def test_what_is_not_allowed_is_left_out_with_a_sentence(search):
    state = ViewState()
    (told,) = read(f"?{search}", state)
    assert told.startswith("The address has")
    assert len(told) < 400
    assert written(state) == ""


def test_a_moment_without_a_zone_is_utc_and_another_zone_is_taken_there():
    state = ViewState()
    assert read("?since=2026-11-24T06:30&until=2026-11-24T09:30%2B02:00", state) == []
    assert (state.since, state.until) == (
        datetime(2026, 11, 24, 6, 30, tzinfo=UTC),
        datetime(2026, 11, 24, 7, 30, tzinfo=UTC),
    )
