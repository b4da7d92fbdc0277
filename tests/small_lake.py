"""Small real tables for tests of what reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from pipeline.tables import Lake, Table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def put(lake: Lake, table: Table, *rows: dict[str, Any]) -> None:
    """Append rows; columns that a row does not name are missing in it."""
    full = [dict.fromkeys(table.schema.names) | row for row in rows]
    rows_written = pa.Table.from_pylist(full, schema=table.schema)
    write_deltalake(lake.uri(table), rows_written, mode="append", storage_options=lake.storage_options)


def phase(minute: int, name: str, aircraft: int, altitude: float | None = None, count: int = 0) -> dict[str, Any]:
    """A row of `flight_phase_counts` whose minute begins some minutes from noon."""
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
        "first_snapshot_timestamp": start + timedelta(seconds=1),
        "created_at": start,
        "updated_at": start,
        "date": start.date(),
    }


def alert(minute: int, country: str, anomalous: int, aircraft: int, **changes: Any) -> dict[str, Any]:
    """A row of `anomaly_alerts` whose window begins some minutes from noon."""
    start = NOON + timedelta(minutes=minute)
    return {
        "window_start": start,
        "window_end": start + timedelta(minutes=5),
        "origin_country": country,
        "observations": aircraft,
        "aircraft": aircraft,
        "anomalous_aircraft": anomalous,
        "anomaly_rate": anomalous / aircraft,
        "first_snapshot_timestamp": start,
        "created_at": start + timedelta(minutes=5),
        "updated_at": start + timedelta(minutes=5),
        "examples": [],
        "date": start.date(),
    } | changes


def flight(second: int, icao24: str, *, on_ground: bool | None = False) -> dict[str, Any]:
    """A row of `flights_ml` some seconds from noon."""
    at = NOON + timedelta(seconds=second)
    return {"event_timestamp": at, "icao24": icao24, "on_ground": on_ground, "date": at.date()}
