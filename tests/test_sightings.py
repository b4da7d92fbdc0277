"""Where each aircraft is, and what one of them did: the rules on a small table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipeline import sightings
from pipeline.serving import Reader
from pipeline.tables import FLIGHTS_ML, Lake

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def small_lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path))
    list(made.create())
    return made


def put(lake: Lake, *rows: dict[str, Any]) -> None:
    full = [dict.fromkeys(FLIGHTS_ML.schema.names) | row for row in rows]
    write_deltalake(lake.path(FLIGHTS_ML), pa.Table.from_pylist(full, schema=FLIGHTS_ML.schema), mode="append")


def report(second: int, icao24: str, altitude: float = 0.0, *, late: int = 1) -> dict[str, Any]:
    at = NOON + timedelta(seconds=second)
    return {
        "event_timestamp": at,
        "ingest_timestamp": at + timedelta(seconds=late),
        "icao24": icao24,
        "altitude_meters": altitude,
        "date": at.date(),
    }


def sky(lake: Lake, second: int, before: pd.DataFrame | None = None) -> pd.DataFrame:
    reader = Reader(lake)
    reader.refresh(FLIGHTS_ML)
    before = pd.DataFrame() if before is None else before
    return sightings.updated(reader, before, NOON + timedelta(seconds=second))


def altitudes(found: pd.DataFrame) -> dict[str, float]:
    return dict(zip(found["icao24"], found["altitude_meters"], strict=True))


def test_each_aircraft_has_one_row_its_latest_report_by_event_time(small_lake):
    put(small_lake, report(20, "aaaaaa", 3), report(0, "aaaaaa", 1), report(10, "bbbbbb", 2))
    found = sky(small_lake, 20)
    assert altitudes(found) == {"aaaaaa": 3, "bbbbbb": 2}
    assert list(found.columns) == list(sightings.COLUMNS)


def test_a_late_report_does_not_replace_a_newer_one(small_lake):
    put(small_lake, report(20, "aaaaaa", 3))
    before = sky(small_lake, 20)
    put(small_lake, report(5, "aaaaaa", 1, late=17))
    assert altitudes(sky(small_lake, 20, before)) == {"aaaaaa": 3}


def test_an_aircraft_leaves_five_minutes_after_its_last_report(small_lake):
    put(small_lake, report(0, "aaaaaa"), report(300, "bbbbbb"))
    before = sky(small_lake, 300)
    assert set(before["icao24"]) == {"aaaaaa", "bbbbbb"}
    put(small_lake, report(301, "bbbbbb"))
    assert set(sky(small_lake, 301, before)["icao24"]) == {"bbbbbb"}


def test_reading_what_is_new_gives_the_same_as_reading_everything(small_lake):
    found = None
    for second in range(0, 420, 30):
        put(
            small_lake,
            report(second, "aaaaaa", second),
            report(second - 7, f"{second:06x}", second, late=40),
            report(second - 200, "cccccc", second, late=201),
        )
        found = sky(small_lake, second, found)
    assert found is not None
    full = sky(small_lake, second)
    assert altitudes(found) == altitudes(full)
    assert len(full) == len(set(full["icao24"])) > 3


def test_one_aircraft_is_read_by_time_and_without_the_others(small_lake):
    put(small_lake, report(60, "aaaaaa", 2), report(0, "aaaaaa", 1), report(30, "bbbbbb", 9), report(120, "aaaaaa", 3))
    reader = Reader(small_lake)
    rows = sightings.aircraft(reader, "aaaaaa", NOON, NOON + timedelta(seconds=120))
    assert rows["altitude_meters"].tolist() == [1, 2]
    assert set(rows.columns) == set(FLIGHTS_ML.schema.names)


def test_the_last_hour_sees_what_was_added_since_the_reader_looked_first(small_lake):
    reader = Reader(small_lake)
    assert sightings.last_hour(reader, "aaaaaa", NOON).empty
    put(small_lake, report(-3601, "aaaaaa", 1), report(-3600, "aaaaaa", 2), report(0, "aaaaaa", 3))
    assert sightings.last_hour(reader, "aaaaaa", NOON)["altitude_meters"].tolist() == [2, 3]


@pytest.mark.parametrize("icao24", ["", "a' OR '1'='1", "abc-12", "ab c12"])
def test_what_is_no_icao24_is_refused(small_lake, icao24):
    with pytest.raises(ValueError, match="no icao24"):
        sightings.aircraft(Reader(small_lake), icao24, NOON, NOON + timedelta(minutes=1))
