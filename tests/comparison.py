"""Tables against what the oracle says they have to hold, row by row."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from pipeline.serving import Reader
from pipeline.tables import ANOMALY_ALERTS, BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake, Table
from tests import oracle

KEYS = {
    "flights_ml": ("icao24", "event_timestamp"),
    "flight_phase_counts": ("window_start", "flight_phase"),
    "anomaly_alerts": ("window_start", "origin_country"),
}
# Not told by the messages: when Kafka and the merge got them.
CLOCKS = {"ingest_timestamp", "created_at", "updated_at"}


def assert_tables_equal_oracle(lake: Lake, limits: str = "expert") -> list[dict[str, Any]]:
    """Silver and Gold equal an independent computation from Bronze's messages; returns Silver's rows."""
    expected = oracle.silver(messages(lake), limits)
    assert_rows_equal(lake, FLIGHTS_ML, expected)
    assert_rows_equal(lake, FLIGHT_PHASE_COUNTS, oracle.phase_counts(expected))
    assert_rows_equal(lake, ANOMALY_ALERTS, oracle.alerts(expected, limits))
    return expected


def messages(lake: Lake) -> list[bytes]:
    """Bronze's messages in Kafka's order."""
    return list(Reader(lake).column(BRONZE, "value", 'ORDER BY "partition", "offset"'))


def rows(lake: Lake, table: Table) -> list[dict[str, Any]]:
    """A table's rows, sorted by their key."""
    read = Reader(lake).rows(table, "*")
    return sorted(read, key=lambda row: tuple(row[key] for key in KEYS[table.name]))


def assert_rows_equal(lake: Lake, table: Table, expected: list[dict[str, Any]]) -> None:
    """The table holds exactly these rows; the clocks' columns are left out."""
    found = rows(lake, table)
    expected = sorted(expected, key=lambda row: tuple(row[key] for key in KEYS[table.name]))
    keys = [tuple(row[key] for key in KEYS[table.name]) for row in found]
    assert keys == [tuple(row[key] for key in KEYS[table.name]) for row in expected]
    for told, meant in zip(found, expected, strict=True):
        assert told.keys() - CLOCKS == meant.keys()
        differing = {name: (told[name], meant[name]) for name in meant if not _same(told[name], meant[name])}
        assert not differing, f"{table.name} {[told[key] for key in KEYS[table.name]]}: {differing}"


def _same(told: Any, meant: Any) -> bool:
    if isinstance(told, float) and isinstance(meant, int | float):
        return math.isclose(told, meant, rel_tol=1e-9, abs_tol=1e-6)
    if isinstance(told, list):
        meant = list(meant)
        told = [tuple(one.values()) if isinstance(one, dict) else one for one in told]
        return len(told) == len(meant) and all(_same_items(one, other) for one, other in zip(told, meant, strict=True))
    if isinstance(told, datetime) and isinstance(meant, datetime):
        return told == meant
    return bool(told == meant)


def _same_items(one: Any, other: Any) -> bool:
    if isinstance(one, tuple):
        return all(_same(left, right) for left, right in zip(one, other, strict=True))
    return bool(one == other)
