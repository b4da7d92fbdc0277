"""What the Alerts and History tabs draw and say, from small tables."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))

import alert_figures
import history_figures
import history_moment
import history_words
from alert_inquiry import plain
from view_state import ViewState

from pipeline import alert_words, alerting
from pipeline.past import Range
from pipeline.tables import PHASES, REASONS

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def window(country: str, anomalous: int, aircraft: int) -> dict[str, object]:
    return {
        "origin_country": country,
        "anomalous_aircraft": anomalous,
        "aircraft": aircraft,
        "anomaly_rate": anomalous / aircraft,
    }


def steps(*totals: float, start: datetime = NOON) -> pd.DataFrame:
    """Minutes with so many aircraft in cruise; NaN for a minute that was not sampled."""
    index = pd.date_range(start, periods=len(totals), freq="1min")
    table = pd.DataFrame(0.0, index, list(PHASES)).assign(CRUISE=totals)
    table.loc[np.isnan(totals), list(PHASES)] = np.nan
    return table.assign(sampled=np.where(np.isnan(totals), np.nan, 1.0), anomaly_rate=0.01)


def test_the_top_ten_leave_out_countries_with_too_few_aircraft_and_those_without_an_anomaly():
    many = [window(f"C{number:02}", 1 + number, 100) for number in range(12)]
    rows = pd.DataFrame([*many, window("Few", 4, 4), window("None", 0, 50)])
    top = alerting.ranked(rows, 5)
    assert top["origin_country"].tolist() == [f"C{number:02}" for number in range(11, 1, -1)]
    assert "Few" in alerting.ranked(rows, 4)["origin_country"].tolist()


def test_the_bars_say_how_many_aircraft_stand_behind_a_rate():
    ten = alert_figures.TopTen("light")
    ten.show(pd.DataFrame([window("Chile", 2, 8), window("", 1, 100)]))
    data = ten._source.data
    assert list(data["country"]) == ["Chile", "unknown country"]
    assert list(data["words"]) == ["25 %, 2 of 8", "1.0 %, 1 of 100"]
    assert list(ten._names.factors) == ["unknown country", "Chile"]


def test_an_hour_without_samples_is_hatched_and_never_a_cell():
    hours = pd.date_range(NOON, periods=3, freq="1h")
    cells = pd.DataFrame(
        {
            "hour": hours[[0, 0, 2]],
            "country": ["Chile", "Peru", "Chile"],
            "aircraft": [10, 9, 8],
            "anomaly_rate": [0.2, 0.0, 0.0],
            "anomalous": [4, 0, 0],
        }
    )
    heat = alert_figures.Heat("dark")
    heat.show(cells, pd.Series([12, 0, 3], hours))
    assert list(heat._names.factors) == ["Chile"]
    assert heat._cells.data["percent"].tolist() == pytest.approx([20, 0])
    assert heat._cells.data["windows"].tolist() == [12, 3]
    assert heat._missing.data["left"].tolist() == [hours[1].value]
    assert len(heat._few.data["country"]) == 0
    heat.show(cells.iloc[:2], pd.Series([12, 0, 3], hours))
    assert list(heat._few.data["country"]) == ["Chile"]


def test_the_heat_map_is_empty_when_no_country_had_an_anomaly():
    hours = pd.date_range(NOON, periods=2, freq="1h")
    none = pd.DataFrame(columns=["hour", "country", "aircraft", "anomaly_rate", "anomalous"])
    none["hour"] = pd.DatetimeIndex([], tz="UTC")
    heat = alert_figures.Heat("light")
    heat.show(none, pd.Series([0, 0], hours))
    assert len(heat._cells.data["country"]) == 0
    assert len(heat._missing.data["left"]) == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_scale_of_the_heat_map_grows_evenly_in_lightness(theme):
    lightness = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(_rgb, alert_figures.HEAT[theme])]
    assert lightness in (sorted(lightness), sorted(lightness, reverse=True))


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))


def test_a_gap_parts_an_area_and_a_single_minute_still_shows():
    start, high = np.array([0.0, 1, 2, 3]), np.array([5.0, 6, np.nan, 7])
    x, y = history_figures.area(start, np.zeros(4), high, 1.0)
    assert x.tolist()[:9] == pytest.approx([0, 1, 1, 2, 2, 1, 1, 0, np.nan], nan_ok=True)
    assert y.tolist()[9:] == pytest.approx([7, 7, 0, 0, np.nan], nan_ok=True)


def test_an_area_of_nothing_is_empty():
    x, y = history_figures.area(np.array([0.0]), np.zeros(1), np.array([np.nan]), 1.0)
    assert (len(x), len(y)) == (0, 0)


def test_the_past_is_stacked_in_the_order_of_the_phases():
    figures = history_figures.PastFigures("light")
    figures.show(steps(10, np.nan, 30), None, 1, keep_zoom=False)
    assert np.nanmax(figures._areas["CRUISE"].data["y"]) == 30
    assert np.nanmin(figures._areas["DESCENT"].data["y"]) == 10
    assert figures._steps.data["total"].tolist() == pytest.approx([10, np.nan, 30], nan_ok=True)
    assert not any(line.visible for line in figures._befores)
    assert figures.zoomed is None


def test_a_range_that_goes_on_keeps_what_a_person_zoomed_to():
    figures = history_figures.PastFigures("light")
    figures.show(steps(10, 20, 30), None, 1, keep_zoom=True)
    start = figures.span.start
    figures.span.update(start=start + 60_000, end=start + 120_000)
    figures.show(steps(20, 30, 40, start=NOON + MINUTE), None, 1, keep_zoom=True)
    assert figures.zoomed == (start + 60_000, start + 120_000)
    figures.show(steps(20, 30, 40), None, 1, keep_zoom=False)
    assert figures.zoomed is None


def test_the_day_before_is_a_line_only_where_there_is_data():
    figures = history_figures.PastFigures("dark")
    figures.show(steps(10, 20), steps(np.nan, 40), 1, keep_zoom=False)
    assert all(line.visible for line in figures._befores)
    assert figures._steps.data["before"].tolist() == pytest.approx([np.nan, 40], nan_ok=True)
    figures.show(steps(10, 20), steps(np.nan, np.nan), 1, keep_zoom=False)
    assert not any(line.visible for line in figures._befores)


def test_a_csv_has_utc_times_and_leaves_missing_values_empty():
    found = Range(NOON, NOON + 2 * MINUTE, steps(10, np.nan), None, None)
    lines = history_words.csv(found).splitlines()
    assert lines[0].startswith("step_start,sampled_minutes,aircraft_ground,")
    assert lines[1] == "2026-01-01T12:00:00Z,1.0,0.0,0.0,0.0,10.0,0.0,0.0,0.01"
    assert lines[2] == "2026-01-01T12:01:00Z,,,,,,,,0.01"
    assert history_words.file_name(found) == "contrail-history-20260101T1200Z-20260101T1202Z.csv"


def test_the_history_says_what_a_point_stands_for_and_that_a_day_is_missing():
    long = Range(NOON, NOON + 24 * HOUR, steps(10, np.nan), steps(np.nan, np.nan), None)
    told = history_words.sentence(long)
    assert "1 of 1,440 minutes sampled" in told
    assert "A point is the mean of the sampled minutes in 5 minutes." in told
    assert "There is no data of the day before." in told
    assert "still empty" in history_words.empty(long)


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (None, None, (-1 * HOUR, 0 * HOUR)),
        (-3 * HOUR, None, (-3 * HOUR, 0 * HOUR)),
        (None, -2 * HOUR, (-3 * HOUR, -2 * HOUR)),
        (-3 * HOUR, 5 * HOUR, (-3 * HOUR, 0 * HOUR)),
        (2 * HOUR, 5 * HOUR, "newest full minute ends at 2026-01-01 12:00 UTC"),
        (-1 * HOUR, -2 * HOUR, "ends before it begins"),
        (-2 * HOUR, -2 * HOUR, "ends before it begins"),
    ],
)
def test_a_range_is_of_full_minutes_or_a_sentence(since, until, found):
    state = ViewState(since=None if since is None else NOON + since, until=None if until is None else NOON + until)
    got = history_moment.wanted(state, NOON + timedelta(seconds=40))
    if isinstance(found, str):
        assert found in got
    else:
        assert got == (NOON + found[0], NOON + found[1])


@pytest.mark.parametrize(
    ("reason", "value", "limit", "words"),
    [
        (
            "altitude_high",
            13_900.0,
            13_716.0,
            "too high: barometric altitude 13,900 m, allowed is nothing above 13,716 m",
        ),
        ("vertical_rate", -35.25, 30.0, "vertical rate -35.2 m/s, allowed is up to ±30 m/s"),
        (
            "altitude_mismatch",
            1_240.0,
            1_000.0,
            "geometric less barometric altitude 1,240 m, allowed is up to ±1,000 m",
        ),
        ("emergency_squawk", 7600.0, None, "emergency code 7600 (radio failure), reported twice in a row in the air"),
        ("speed_low", None, 0.0, "ground speed –"),
    ],
)
def test_an_example_tells_its_value_against_the_limit_with_units(reason, value, limit, words):
    assert words in alert_words.value_against_limit({"reason": reason, "value": value, "limit": limit})


def test_every_reason_and_state_has_words():
    assert set(alert_words.REASONS) == set(REASONS)
    assert set(alert_words.QUANTITIES) == set(REASONS) - {"emergency_squawk"}
    assert set(alerting.REHEARSED) < set(alert_words.QUANTITIES)


@pytest.mark.parametrize(("rate", "words"), [(0, "0 %"), (0.0312, "3.1 %"), (0.1, "10 %"), (1, "100 %")])
def test_a_rate_is_told_in_percent(rate, words):
    assert alert_words.percent(rate) == words


def test_a_text_from_outside_is_neither_html_nor_markdown():
    assert not set('<>*_`[]&"') & set(plain('<img src=x onerror="1"> *a* _b_ [c](d) `e`').replace("&#", ""))
    assert plain("Côte d'Ivoire (4b1806)") == "Côte d'Ivoire (4b1806)"
