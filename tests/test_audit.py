"""The audit notices what it is there for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipeline.audit import audit
from pipeline.errors import LakeError
from pipeline.tables import ANOMALY_ALERTS, BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, QUARANTINE, Lake

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def message(offset: int, contact: int) -> dict:
    value = {"icao24": "abc123", "last_contact": contact, "time": contact}
    return {"value": json.dumps(value).encode(), "partition": 0, "offset": offset, "ingest_date": NOON.date()}


@pytest.fixture
def sound_lake(tmp_path: Path) -> Lake:
    """Two observations, one repeat, one rejected message."""
    lake, second = Lake(str(tmp_path)), int(NOON.timestamp())
    list(lake.create())
    bad = message(3, 0) | {"value": b"garbage"}
    put(lake, BRONZE, [message(0, second), message(1, second + 10), message(2, second), bad])
    put(lake, QUARANTINE, [bad])
    moments = [NOON, NOON.replace(second=10)]
    put(lake, FLIGHTS_ML, [{"icao24": "abc123", "event_timestamp": one, "date": NOON.date()} for one in moments])
    put(
        lake,
        FLIGHT_PHASE_COUNTS,
        [{"window_start": NOON, "flight_phase": "CRUISE", "observations": 2, "date": NOON.date()}],
    )
    windows = [NOON.replace(hour=11, minute=55 + back) for back in range(1, 5)] + [NOON]
    put(
        lake,
        ANOMALY_ALERTS,
        [{"window_start": one, "origin_country": "", "observations": 2, "date": NOON.date()} for one in windows],
    )
    return lake


def put(lake: Lake, table, rows: list[dict]) -> None:
    full = [dict.fromkeys(table.schema.names) | row for row in rows]
    write_deltalake(lake.path(table), pa.Table.from_pylist(full, schema=table.schema), mode="append")


def broken(lake: Lake) -> list[str]:
    return [check.name for check in audit(lake).checks if not check.holds]


def test_a_sound_lake_is_found_sound(sound_lake):
    report = audit(sound_lake)
    assert report.settled
    assert (report.messages, report.observations, report.quarantined, report.repeated) == (4, 2, 1, 1)


def test_a_lost_observation_is_noticed(sound_lake):
    DeltaTable(sound_lake.path(FLIGHTS_ML)).delete("event_timestamp > '2026-01-01T12:00:05Z'")
    assert "silver has every new observation" in broken(sound_lake)


def test_an_observation_that_stands_twice_is_noticed(sound_lake):
    put(sound_lake, FLIGHTS_ML, [{"icao24": "abc123", "event_timestamp": NOON, "date": NOON.date()}])
    assert "silver has none twice" in broken(sound_lake)


def test_a_missing_offset_is_noticed(sound_lake):
    DeltaTable(sound_lake.path(BRONZE)).delete('"offset" = 1')
    assert "bronze has every offset" in broken(sound_lake)


def test_a_window_that_counts_too_much_is_noticed(sound_lake):
    put(
        sound_lake,
        FLIGHT_PHASE_COUNTS,
        [{"window_start": NOON, "flight_phase": "CLIMB", "observations": 1, "date": NOON.date()}],
    )
    assert broken(sound_lake) == ["flight_phase_counts counts all of silver"]


def test_a_lake_without_tables_is_a_sentence(tmp_path: Path):
    with pytest.raises(LakeError, match="start the pipeline"):
        audit(Lake(str(tmp_path)))
