"""What the pages read: the figures' rules on small tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipeline import serving
from pipeline.errors import LakeError
from pipeline.serving import Reader
from pipeline.tables import FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake, Table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def small_lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path))
    list(made.create())
    return made


def put(lake: Lake, table: Table, *rows: dict[str, Any]) -> None:
    full = [dict.fromkeys(table.schema.names) | row for row in rows]
    write_deltalake(lake.path(table), pa.Table.from_pylist(full, schema=table.schema), mode="append")


def phase(minute: int, name: str, aircraft: int, altitude: float | None = None, count: int = 0) -> dict[str, Any]:
    start = NOON + timedelta(minutes=minute)
    return {
        "window_start": start,
        "window_end": start + timedelta(minutes=1),
        "flight_phase": name,
        "observations": aircraft,
        "aircraft": aircraft,
        "avg_altitude_meters": altitude,
        "altitude_count": count,
        "velocity_count": 0,
        "date": start.date(),
    }


def flight(second: int, icao24: str, *, on_ground: bool | None = False) -> dict[str, Any]:
    at = NOON + timedelta(seconds=second)
    return {"event_timestamp": at, "icao24": icao24, "on_ground": on_ground, "date": at.date()}


def test_active_flights_are_distinct_airborne_aircraft_of_the_last_full_minute(small_lake):
    put(
        small_lake,
        FLIGHTS_ML,
        flight(1, "a"),
        flight(30, "a"),
        flight(31, "b"),
        flight(32, "c", on_ground=True),
        flight(61, "d"),
    )
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 2, 10_000.0, 3), phase(0, "CLIMB", 1, 4_000.0, 1))
    reader = Reader(small_lake)
    newest = serving.newest_event(reader)
    assert newest is not None
    headline = serving.headline(reader, newest)
    assert (headline.window_start, headline.active_flights) == (NOON, 2)
    assert headline.mean_altitude_meters == pytest.approx((3 * 10_000 + 4_000) / 4)
    assert headline.mean_velocity_kmh is None


def test_a_headline_without_its_window_is_missing_and_never_zero(small_lake):
    put(small_lake, FLIGHTS_ML, flight(61, "d"))
    headline = serving.headline(Reader(small_lake), NOON + timedelta(seconds=61))
    assert (headline.active_flights, headline.mean_altitude_meters) == (None, None)


def test_a_minute_without_rows_is_a_gap_and_a_phase_without_rows_is_nought(small_lake):
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 2), phase(2, "CLIMB", 1))
    minutes = serving.per_minute(
        serving.phase_counts(Reader(small_lake), NOON, NOON + timedelta(minutes=3)), NOON, NOON + timedelta(minutes=3)
    )
    assert minutes["CRUISE"].tolist()[0::2] == [2, 0]
    assert minutes.iloc[1].isna().all()


def test_a_window_is_running_then_provisional_then_final():
    states = [serving.window_state(NOON, NOON + timedelta(seconds=seconds)) for seconds in (0, 59, 60, 659, 660)]
    assert states == ["running", "running", "provisional", "provisional", "final"]


def test_a_reader_sees_what_was_added_since(small_lake):
    reader = Reader(small_lake)
    assert reader.refresh(FLIGHTS_ML) == 0
    put(small_lake, FLIGHTS_ML, flight(0, "a"))
    assert reader.refresh(FLIGHTS_ML) == 1
    assert reader.one(FLIGHTS_ML, "count(*) AS n")["n"] == 1


def test_a_lake_that_is_not_there_is_a_sentence_and_not_a_crash(tmp_path: Path):
    reader = Reader(Lake(str(tmp_path / "nowhere")))
    assert reader.refresh(FLIGHTS_ML) == -1
    with pytest.raises(LakeError, match="start the pipeline"):
        serving.newest_event(reader)


@pytest.mark.parametrize(("age", "level"), [(0, "fresh"), (59, "fresh"), (61, "late"), (179, "late"), (181, "stale")])
def test_age_is_told_from_event_time(age, level):
    fresh = serving.freshness(NOON, running(NOON.timestamp() + age), NOON.timestamp() + age)
    assert (fresh.age_seconds, fresh.level) == (age, level)
    assert bool(fresh.reason) == (level != "fresh")


def running(at: float, **changes: dict[str, Any]) -> dict[str, Any]:
    parts = {name: {"state": "running", "cause": None} for name in ("feed", "bronze", "silver")}
    return {"at": at, "doing": "running", "parts": parts | changes}


def test_old_data_says_why():
    now = NOON.timestamp()
    assert "never" not in serving.trouble(None, now)
    assert "silent for 30 s" in serving.trouble(running(now - 30), now)
    assert serving.trouble(running(now, silver={"state": "stopped", "cause": None}), now) == "silver is stopped"
    failed = {"state": "failed", "cause": "The disk is full."}
    assert serving.trouble(running(now, silver=failed), now) == "silver is failed: The disk is full."
    assert serving.trouble(running(now, feed={"state": "done", "cause": None}), now) == "the recording has ended"
