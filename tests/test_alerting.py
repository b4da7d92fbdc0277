"""Alerts from Gold, the rehearsal of a limit on Silver, and the past: on small real tables."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import alerting, past, serving
from pipeline.anomalies import LIMITS
from pipeline.drill import oracle
from pipeline.errors import LakeError
from pipeline.serving import Reader
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASES, Lake, Table
from tests.small_lake import NOON, alert, flight, put

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def phase(minute: int, name: str, aircraft: int, late: timedelta = timedelta()) -> dict[str, Any]:
    start = NOON + minute * MINUTE
    return {
        "window_start": start,
        "window_end": start + MINUTE,
        "flight_phase": name,
        "observations": aircraft,
        "aircraft": aircraft,
        "altitude_count": 0,
        "velocity_count": 0,
        "first_snapshot_timestamp": start + late,
        "date": start.date(),
    }


def wild_sky(seed: int) -> list[bytes]:
    """Seventy minutes of aircraft whose values lie on both sides of every limit, with pauses, in two countries."""
    dice, begin = random.Random(seed), int((NOON - 70 * MINUTE).timestamp())
    messages = []
    for number in range(30):
        at = begin + dice.randrange(300)
        while at < begin + 70 * 60:
            altitude = dice.choice([dice.gauss(12_300, 600)] * 7 + [-250.0])
            told = {
                "icao24": f"{number:06x}",
                "origin_country": "Italy" if number % 3 else "Chile",
                "time": at + 2,
                "last_contact": at,
                "baro_altitude": dice.choice([altitude] * 9 + [None]),
                "geo_altitude": altitude + dice.gauss(0, 350),
                "velocity": dice.gauss(270, 20),
                "vertical_rate": dice.choice([0.0, 0.0, 0.0, dice.gauss(0, 12), None]),
                "on_ground": False,
                "squawk": dice.choice(["1000"] * 20 + ["7700"]),
            }
            messages.append((at, json.dumps(told).encode()))
            at += dice.choice([15, 20, 40, 90, 400])
    return [value for _, value in sorted(messages)]


def lake_of_sky(lake: Lake, limits: str = "expert") -> list[dict[str, Any]]:
    """Fill Silver and Gold with what an independent computation makes of a sky; returns Silver's rows."""
    rows = oracle.silver(wild_sky(3), limits)
    names = ("icao24", "callsign", "reason", "value", "limit")
    gold = [
        row | {"examples": [dict(zip(names, one, strict=True)) for one in row["examples"]]}
        for row in oracle.alerts(rows, limits)
    ]
    put(lake, FLIGHTS_ML, *rows)
    put(lake, ANOMALY_ALERTS, *gold)
    return rows


def in_alert(rows: list[dict[str, Any]], since: datetime, until: datetime, threshold: float, least: int) -> set[Any]:
    """Country and window of every alert in rows of Gold that lies within a range."""
    return {
        (row["origin_country"], row["window_start"])
        for row in rows
        if since <= row["window_start"]
        and row["window_end"] <= until
        and row["aircraft"] >= least
        and row["anomalous_aircraft"] > 0
        and 100 * row["anomalous_aircraft"] >= threshold * row["aircraft"]
    }


@pytest.mark.parametrize("limits", ["expert", "seed"])
@pytest.mark.parametrize(("threshold", "least"), [(0, 1), (10, 5), (40, 3), (60, 8), (100, 1)])
def test_a_rehearsal_of_the_present_limits_is_what_gold_says(small_lake, limits, threshold, least):
    lake_of_sky(small_lake, limits)
    reader = Reader(small_lake)
    newest = serving.newest_event(reader)
    present = LIMITS[limits]
    found = alerting.rehearse(reader, newest, present, "altitude_high", present.altitude_high, threshold, least)
    assert found.countries["present"].equals(found.countries["moved"])
    assert found.windows["present"].equals(found.windows["moved"])
    assert found.aircraft == found.aircraft_moved > 0
    assert found.until - found.since == HOUR
    if (threshold, least) == (10, 5):
        assert found.alerts == found.alerts_moved > 0


@pytest.mark.parametrize(
    ("reason", "bound"),
    [("altitude_high", 12_900), ("altitude_low", -100), ("speed_high", 1_050), ("vertical_rate", 12.5),
     ("altitude_mismatch", 300)],
)  # fmt: skip
def test_a_rehearsal_is_what_an_independent_computation_says_of_the_moved_limit(small_lake, monkeypatch, reason, bound):
    lake_of_sky(small_lake)
    reader = Reader(small_lake)
    found = alerting.rehearse(reader, serving.newest_event(reader), LIMITS["expert"], reason, bound, 40, 3)
    monkeypatch.setitem(oracle.EXPERT, reason, bound)
    rows = oracle.silver(wild_sky(3))
    would = in_alert(oracle.alerts(rows), found.since, found.until, 40, 3)
    assert found.alerts_moved == len(would)
    assert found.alerts_moved != found.alerts
    assert found.countries["moved"].to_dict() == {
        country: sum(one == country for one, _ in would) for country in ("Chile", "Italy")
    }
    inside = [row for row in rows if found.since <= row["event_timestamp"] < found.until]
    assert found.aircraft_moved == len({row["icao24"] for row in inside if row["anomalies"]})


def test_consecutive_windows_of_a_country_are_one_alert_and_a_gap_parts_two(small_lake):
    put(
        small_lake,
        ANOMALY_ALERTS,
        *(alert(minute, "Chile", 1 + (minute == 1), 5) for minute in (0, 1, 2, 4)),
        alert(3, "Chile", 0, 5),
        alert(2, "Italy", 1, 5),
    )
    found = alerting.alerts(Reader(small_lake), NOON + 10 * MINUTE, HOUR, 10, 5)
    assert [(one.country, one.since, one.until) for one in found] == [
        ("Chile", NOON + 4 * MINUTE, NOON + 9 * MINUTE),
        ("Chile", NOON, NOON + 7 * MINUTE),
        ("Italy", NOON + 2 * MINUTE, NOON + 7 * MINUTE),
    ]
    longest = max(found, key=lambda one: one.until - one.since)
    assert (longest.country, longest.peak["anomalous_aircraft"], len(longest.windows)) == ("Chile", 2, 3)


def test_an_alert_needs_the_threshold_and_enough_aircraft_and_an_anomaly(small_lake):
    put(small_lake, ANOMALY_ALERTS, alert(0, "Few", 4, 4), alert(0, "Low", 1, 11), alert(0, "Just", 1, 10))
    reader, newest = Reader(small_lake), NOON + 10 * MINUTE
    assert [one.country for one in alerting.alerts(reader, newest, HOUR, 10, 5)] == ["Just"]
    put(small_lake, ANOMALY_ALERTS, alert(0, "None", 0, 50))
    assert "None" not in {one.country for one in alerting.alerts(reader, newest, HOUR, 0, 1)}


def test_only_what_has_ended_within_the_range_is_an_alert_and_it_says_when_it_began(small_lake):
    put(small_lake, ANOMALY_ALERTS, *(alert(minute, "Chile", 5, 5) for minute in range(-90, 8)))
    put(small_lake, ANOMALY_ALERTS, *(alert(minute, "Italy", 5, 5) for minute in range(-90, -4)))
    newest, back = NOON + 8 * MINUTE + timedelta(seconds=30), timedelta(minutes=6)
    for later in range(2):
        found = alerting.alerts(Reader(small_lake), newest + later * MINUTE, back, 10, 5)
        assert [(one.country, one.since) for one in found] == [("Chile", NOON - 90 * MINUTE)]
    assert found[0].until == NOON + 9 * MINUTE


def test_where_no_window_was_counted_nothing_is_known_and_that_is_not_no_alert(small_lake):
    reader, newest = Reader(small_lake), NOON + 10 * MINUTE
    assert alerting.windows_counted(reader, newest, HOUR) == 0
    put(small_lake, ANOMALY_ALERTS, alert(0, "None", 0, 50), alert(0, "Few", 0, 4), alert(1, "None", 0, 50))
    assert alerting.windows_counted(reader, newest, HOUR) == 2
    assert alerting.windows_counted(reader, NOON + 100 * MINUTE, HOUR) == 0


def test_each_window_of_an_alert_says_its_state(small_lake):
    revised = {"updated_at": NOON + 30 * MINUTE}
    late = {"first_snapshot_timestamp": NOON + 20 * MINUTE}
    put(
        small_lake,
        ANOMALY_ALERTS,
        alert(0, "Final", 5, 5),
        alert(0, "Revised", 5, 5, **revised),
        alert(5, "Late", 5, 5, **late),
        alert(28, "New", 5, 5),
    )
    found = alerting.alerts(Reader(small_lake), NOON + 40 * MINUTE, HOUR, 10, 5)
    states = {one.country: one.windows["state"].iloc[-1] for one in found}
    assert states == {"Final": "final", "Revised": "revised", "Late": "not sampled", "New": "provisional"}


def test_an_hour_that_was_not_sampled_is_no_hour_without_anomalies(small_lake):
    late = {"first_snapshot_timestamp": NOON - 2 * HOUR}
    put(
        small_lake,
        ANOMALY_ALERTS,
        alert(0, "Chile", 1, 10),
        alert(1, "Chile", 9, 10),
        alert(5, "Chile", 3, 10),
        alert(-185, "Chile", 1, 10, **late),
        alert(0, "Peru", 1, 2),
    )
    cells, windows = alerting.hours(Reader(small_lake), NOON + 59 * MINUTE, 5)
    assert cells[["country", "anomaly_rate", "aircraft", "anomalous"]].to_dict("list") == {
        "country": ["Chile"],
        "anomaly_rate": [0.2],
        "aircraft": [10],
        "anomalous": [4],
    }
    assert len(windows) == 24
    assert windows[windows > 0].to_dict() == {NOON: 2}


def test_counts_leave_out_what_is_not_checked_and_what_did_not_occur(small_lake):
    counted = {"altitude_high_count": 2, "vertical_rate_count": 7, "speed_high_count": 0}
    put(small_lake, ANOMALY_ALERTS, alert(0, "Chile", 5, 5, **counted))
    found = alerting.alerts(Reader(small_lake), NOON + 10 * MINUTE, HOUR, 10, 5)
    assert list(alerting.counts(found[0].peak).items()) == [("vertical_rate", 7), ("altitude_high", 2)]


@pytest.mark.parametrize(("hours", "step"), [(1, 1), (10, 1), (11, 2), (24, 5), (168, 30), (24 * 400, 1440)])
def test_a_long_range_has_at_most_six_hundred_steps(hours, step):
    assert past.step_minutes(NOON, NOON + hours * HOUR) == step
    assert hours * 60 / step <= past.POINTS


def test_history_by_the_minute_is_what_the_live_page_shows(small_lake):
    put(
        small_lake,
        FLIGHT_PHASE_COUNTS,
        phase(0, "CRUISE", 2),
        phase(2, "CLIMB", 1),
        phase(1, "CRUISE", 9, late=2 * MINUTE),
    )
    until = NOON + 3 * MINUTE
    found = past.history(Reader(small_lake), NOON, until)
    live = serving.phase_minutes(Reader(small_lake), NOON, until, until)
    assert found[list(PHASES)].equals(live[list(PHASES)].astype(float))
    assert found["sampled"].isna().tolist() == [False, True, False]
    assert found["anomaly_rate"].isna().all()


def test_a_coarse_step_is_the_mean_of_its_sampled_minutes(small_lake):
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 10), phase(1, "CRUISE", 20), phase(1, "CLIMB", 4))
    put(small_lake, ANOMALY_ALERTS, alert(-4, "Chile", 1, 4), alert(-3, "Chile", 2, 6), alert(-3, "Peru", 0, 2))
    found = past.history(Reader(small_lake), NOON - 12 * HOUR, NOON + 12 * HOUR)
    first = found.loc[NOON]
    assert (first["CRUISE"], first["CLIMB"], first["GROUND"], first["sampled"]) == (15, 2, 0, 2)
    assert first["anomaly_rate"] == pytest.approx(3 / 12)
    assert found.drop(NOON).isna().all(axis=None)


def test_the_day_before_lies_on_the_same_minutes(small_lake):
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 5), phase(-24 * 60, "CRUISE", 7))
    found = past.looked_up(Reader(small_lake), NOON, NOON + 2 * MINUTE, True)
    assert found.steps.index.equals(found.before.index)
    assert (found.steps["CRUISE"].iloc[0], found.before["CRUISE"].iloc[0]) == (5, 7)
    assert found.extent == (NOON - 24 * HOUR, NOON + MINUTE)


def test_a_range_of_years_can_be_compared_with_the_day_before(small_lake):
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 5))
    for days in (700, 20_000):
        found = past.looked_up(Reader(small_lake), NOON - timedelta(days=days), NOON + HOUR, True)
        assert found.steps.index.equals(found.before.index)


def committed(lake: Lake, table: Table, version: int) -> datetime:
    """When a version was committed."""
    return next(past._committed(one) for one in lake.open(table).history() if one["version"] == version)


def test_the_tables_as_of_a_moment_are_those_committed_by_then(small_lake):
    put(small_lake, FLIGHTS_ML, flight(1, "a"), flight(2, "b"), flight(61, "a"))
    put(small_lake, ANOMALY_ALERTS, alert(-4, "Chile", 1, 4))
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 2))
    moment = committed(small_lake, FLIGHT_PHASE_COUNTS, 1)
    put(small_lake, FLIGHTS_ML, flight(3, "c"), flight(130, "a"))
    late = committed(small_lake, FLIGHTS_ML, 2)
    assert late > moment
    reader = Reader(small_lake)
    found = past.as_of(reader, moment)
    assert dict(found.versions) == {"flights_ml": 1, "flight_phase_counts": 1, "anomaly_alerts": 1}
    assert (found.then.window_start, found.then.active_flights, found.now.active_flights) == (NOON, 2, 3)
    assert found.then.anomaly_rate == found.now.anomaly_rate == 0.25
    assert reader.one(FLIGHTS_ML, "count(*) AS n")["n"] == 5


def test_a_moment_before_the_first_commit_is_a_sentence(small_lake):
    with pytest.raises(LakeError, match="there was no table flights_ml yet: its first commit is of"):
        past.as_of(Reader(small_lake), NOON - 1000 * HOUR)


def test_a_moment_before_any_observation_has_no_headline(small_lake):
    found = past.as_of(Reader(small_lake), datetime.now(UTC))
    assert (found.newest, found.then, found.now) == (None, None, None)


def test_a_moment_whose_log_was_cleaned_away_is_a_sentence(small_lake):
    for second in range(3):
        put(small_lake, FLIGHTS_ML, flight(second, "a"))
    moment = committed(small_lake, FLIGHTS_ML, 0)
    small_lake.open(FLIGHTS_ML, 2).create_checkpoint()
    for version in range(2):
        (Path(small_lake.path(FLIGHTS_ML)) / "_delta_log" / f"{version:020}.json").unlink()
    with pytest.raises(LakeError, match="older than what is kept of flights_ml: its log begins at"):
        past.version_at(small_lake, FLIGHTS_ML, moment)


def test_a_moment_whose_files_were_cleaned_away_is_a_sentence(small_lake):
    put(small_lake, FLIGHTS_ML, flight(1, "a"))
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 2))
    for file in Path(small_lake.path(FLIGHTS_ML)).rglob("*.parquet"):
        file.unlink()
    with pytest.raises(LakeError, match="cannot be read any more"):
        past.as_of(Reader(small_lake), datetime.now(UTC))
