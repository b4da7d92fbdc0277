"""What the map sends to the browser, and what it leaves out: packing, Mercator, filters, emergencies, gaps and words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))

from aircraft_card import broken
from aircraft_words import anomaly_lines, category, identity, latest_report, position, spells
from coastline import cut, joined, lines, mercator
from map_figure import EMPTY, SkyMap
from packed_sky import MISSING, Filters, PackedSky, callsign_of, named, packed, packed_once, passing

from pipeline.anomalies import EMERGENCY_SQUAWKS, LIMITS
from pipeline.tables import PHASES, REASONS

NOON = pd.Timestamp("2026-01-01 12:00", tz="UTC")


def plane(icao24: str, callsign: str | None = None, **changes: Any) -> dict[str, Any]:
    usual = {
        "icao24": icao24,
        "callsign": callsign,
        "origin_country": "France",
        "event_timestamp": NOON,
        "longitude": 2.5,
        "latitude": 49.0,
        "altitude_meters": 10_000.0,
        "geo_altitude_meters": 10_100.0,
        "velocity_kmh": 850.0,
        "vertical_rate": 0.0,
        "true_track": 90.0,
        "on_ground": False,
        "squawk": "1000",
        "category": 4,
        "flight_phase": "CRUISE",
        "anomalies": [],
    }
    return usual | changes


def sky_of(*planes: dict[str, Any]) -> PackedSky:
    return packed(pd.DataFrame(list(planes)))


def callsigns(sky: PackedSky) -> list[str]:
    return [callsign_of(first, last) for first, last in zip(sky.columns["first"], sky.columns["last"], strict=True)]


def test_callsigns_come_out_of_two_numbers_as_they_went_in():
    names = ["AFR1234", "A", "ABCD", "ABCDE", "00000000", "N 12 AB", None, ""]
    assert callsigns(sky_of(*(plane("aaaaaa", name) for name in names))) == [name or "" for name in names]


def test_a_callsign_that_is_no_ascii_or_too_long_is_shown_as_far_as_it_goes():
    assert callsigns(sky_of(plane("aaaaaa", "ÄFR1"), plane("bbbbbb", "ABCDEFGHIJ"))) == ["?FR1", "ABCDEFGH"]


def test_addresses_are_numbers_and_come_out_as_hex():
    addresses = ["000000", "00000a", "39ac45", "ffffff", "9abcde"]
    assert [f"{one:06x}" for one in sky_of(*map(plane, addresses)).columns["icao24"]] == addresses


def test_no_column_is_a_list_and_all_are_what_the_browser_takes_as_they_are():
    columns = sky_of(plane("aaaaaa")).columns
    assert {name: values.dtype for name, values in columns.items()} == {n: v.dtype for n, v in EMPTY.items()}
    assert sum(values.itemsize for values in columns.values()) <= 40


def test_what_is_missing_is_marked_and_never_nought():
    sky = sky_of(plane("aaaaaa", altitude_meters=None, velocity_kmh=np.nan), plane("bbbbbb", altitude_meters=0.0))
    assert sky.columns["altitude"].tolist() == [MISSING, 0]
    assert sky.columns["speed"].tolist() == [MISSING, 850]


def test_an_aircraft_without_position_is_counted_and_not_placed():
    sky = sky_of(plane("aaaaaa"), plane("bbbbbb", longitude=None, latitude=None))
    assert (len(sky), sky.has_position.tolist()) == (2, [True, False])


def test_an_empty_sky_packs_into_empty_columns():
    sky = packed(pd.DataFrame())
    assert (len(sky), sky.newest, passing(sky, Filters(find="A")).sum()) == (0, None, 0)
    assert {name: values.dtype for name, values in sky.columns.items()} == {n: v.dtype for n, v in EMPTY.items()}


def test_a_sky_is_packed_once_for_all_who_show_it():
    frame = pd.DataFrame([plane("aaaaaa")])
    assert packed_once(frame) is packed_once(frame)
    assert packed_once(frame.copy()) is not packed_once(frame)


@pytest.mark.parametrize(("track", "back"), [(0, 270), (90, 180), (180, 90), (270, 0)])
def test_a_wedge_opens_behind_the_aircraft(track, back):
    columns = sky_of(plane("aaaaaa", true_track=track)).columns
    assert (columns["start"][0] + columns["end"][0]) / 2 % 360 == back


def test_an_aircraft_without_a_track_is_a_full_circle():
    columns = sky_of(plane("aaaaaa", true_track=None)).columns
    assert (columns["start"][0], columns["end"][0]) == (0, 360)


def test_mercator_is_that_of_web_maps_and_clips_the_poles():
    x, y = mercator([0, 180, -180, 0, 0, np.nan], [0, 0, 0, 90, 85, 50])
    assert x[:3] == pytest.approx([0, 20_037_508.34, -20_037_508.34])
    assert y[0] == pytest.approx(0, abs=1e-6)
    assert y[3] == y[4] == pytest.approx(19_971_868.88)
    assert np.isnan(x[5])


def test_lines_are_joined_with_gaps_and_cut_at_the_date_line():
    longitude, latitude = joined([[179, 1, -179, 2], [10, 3, 11, 4]])
    assert np.isnan(longitude).tolist() == [False, True, False, True, False, False, True]
    assert latitude[[0, 2, 4, 5]].tolist() == [1, 2, 3, 4]
    assert cut(np.array([10.0, 20.0]), np.array([0.0, 0.0]))[0].tolist() == [10, 20]


@pytest.mark.parametrize("name", ["coast", "borders"])
def test_the_coastline_is_here_and_no_line_goes_around_the_world(name):
    x, y = lines(name)
    assert len(x) == len(y) > 5_000
    assert np.nanmax(np.abs(np.diff(x))) < 20_037_508


FILTERED = (
    plane("aaaaa1", "AFR1", flight_phase="CLIMB", altitude_meters=3_000.0),
    plane("aaaaa2", "DLH2", origin_country="Germany", altitude_meters=None),
    plane("aaaaa3", "afr3", altitude_meters=9_000.0),
    plane("bbbbb4", None, origin_country="", flight_phase="GROUND", altitude_meters=-50.0),
)


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        (Filters(), "1234"),
        (Filters(phases=["CLIMB", "GROUND"]), "14"),
        (Filters(countries=["Germany", "Nowhere"]), "2"),
        (Filters(altitudes=(-100, 3_000)), "14"),
        (Filters(find="afr"), "13"),
        (Filters(find="AAAAA"), "123"),
        (Filters(find="  "), "1234"),
        (Filters(find="é"), ""),
        (Filters(phases=["CRUISE"], countries=["France"], altitudes=(0, 10_000), find="R3"), "3"),
    ],
)
def test_filters_keep_what_they_name_and_a_band_leaves_out_unknown_altitudes(filters, kept):
    sky = sky_of(*FILTERED)
    assert "".join(address.decode()[-1] for address in sky.addresses[passing(sky, filters)]) == kept


@pytest.mark.parametrize(
    ("text", "found"),
    [("AAAAA1", ["aaaaa1"]), ("afr1", ["aaaaa1"]), ("AFR", ["aaaaa1", "aaaaa3"]), ("zz", []), ("", [])],
)
def test_a_text_names_an_address_else_a_callsign_else_all_that_have_it(text, found):
    assert named(sky_of(*FILTERED), text) == found


def test_emergencies_are_the_three_codes_of_aircraft_in_the_air():
    planes = [plane("aaaaaa", squawk=code) for code in ("7500", "7600", "7700", "7701", "1000", None)]
    planes += [plane("bbbbbb", squawk="7700", on_ground=True), plane("cccccc", squawk="7700", on_ground=None)]
    assert sky_of(*planes).is_emergency.tolist() == [True, True, True, False, False, False, False, True]


def test_every_emergency_code_and_every_reason_has_its_words():
    from aircraft_words import REASONS as WORDS
    from packed_sky import EMERGENCIES

    assert tuple(EMERGENCIES) == EMERGENCY_SQUAWKS
    assert {*WORDS, "emergency_squawk"} == set(REASONS)


def test_a_silence_of_more_than_fifteen_minutes_breaks_the_line_and_a_shorter_one_does_not():
    minutes = [0, 15, 30.1, 31]
    rows = pd.DataFrame([plane("aaaaaa", event_timestamp=NOON + pd.Timedelta(minutes=one)) for one in minutes])
    moments, altitude = broken(rows, "altitude_meters")
    assert np.isnan(altitude).tolist() == [False, False, True, False, False]
    assert (np.diff(moments) >= np.timedelta64(0)).all()


def test_a_missing_altitude_is_a_gap_in_the_profile():
    _, altitude = broken(pd.DataFrame([plane("aaaaaa"), plane("aaaaaa", altitude_meters=None)]), "altitude_meters")
    assert np.isnan(altitude).tolist() == [False, True]


def test_the_card_has_units_the_age_and_a_dash_for_what_is_missing():
    row = pd.DataFrame([plane("aaaaaa", None, squawk="7600", vertical_rate=None, geo_altitude_meters=None)]).iloc[0]
    told = identity(row) | latest_report(row, (NOON + pd.Timedelta(seconds=42)).to_pydatetime())
    assert told["Callsign"] == told["Vertical rate"] == "–"
    assert told["Latest report"] == "12:00:00 UTC, 42 s old"
    assert told["Altitude"] == "10,000 m barometric, – geometric"
    assert told["Squawk"] == "7600, radio failure"
    assert (category(99), category(np.nan)) == ("99, which is not documented", "–")
    assert (position(-33.9, 151.2), position(np.nan, 1.0)) == ("33.900° S, 151.200° E", "–")


def test_anomalies_in_a_row_are_one_spell_with_the_value_furthest_from_the_limit():
    high = [13_800.0, 14_200.0, 10_000.0, 13_900.0]
    rows = pd.DataFrame(
        [
            plane(
                "aaaaaa",
                altitude_meters=altitude,
                anomalies=["altitude_high"] if altitude > 13_716 else [],
                event_timestamp=NOON + pd.Timedelta(seconds=15 * place),
            )
            for place, altitude in enumerate(high)
        ]
    )
    assert [one.reports for one in spells(rows)] == [2, 1]
    told = anomaly_lines(rows, LIMITS["expert"])
    assert "12:00:00 to 12:00:15 UTC, 2 reports: altitude above the limit: 14,200 m, limit 13,716 m" in told
    assert told.index("12:00:45") < told.index("12:00:00")
    assert anomaly_lines(rows.iloc[2:3], LIMITS["expert"]) == "None against the expert limits."


def test_the_map_takes_columns_and_keeps_the_view_while_data_moves():
    opened: list[str] = []
    shown = SkyMap("light", opened.append)
    before = (shown.figure.x_range.start, shown.figure.x_range.end)
    sky = sky_of(plane("aaaaaa"), plane("bbbbbb", squawk="7700"))
    plain, urgent = sky.taken(~sky.is_emergency), sky.taken(sky.is_emergency)
    shown.show(plain, urgent, sky.countries)
    assert (shown.figure.x_range.start, shown.figure.x_range.end) == before
    sources = [renderer.data_source.data for renderer in shown.figure.renderers]
    assert sum(len(data["x"]) == 1 for data in sources) >= 2
    assert all(isinstance(values, np.ndarray) for data in sources for values in data.values())


def test_every_phase_has_its_place_in_the_legend():
    from tab_map import legend

    told = legend(np.arange(len(PHASES)) * 1_000)
    assert [f"{phase.capitalize()} {place * 1_000:,}" in told for place, phase in enumerate(PHASES)] == [True] * 6
