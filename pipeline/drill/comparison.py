"""Tables against what the oracle says they have to hold: what is lost, what is there too often, and what is wrong."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.drill import oracle
from pipeline.serving import Reader
from pipeline.tables import ANOMALY_ALERTS, BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, QUARANTINE, Lake, Table

KEYS = {
    "flights_ml": ("icao24", "event_timestamp"),
    "quarantine": ("partition", "offset"),
    "flight_phase_counts": ("window_start", "flight_phase"),
    "anomaly_alerts": ("window_start", "origin_country"),
}
# Not told by the messages: when Kafka and the merge got them.
CLOCKS = {"ingest_timestamp", "created_at", "updated_at"}


@dataclass(frozen=True)
class Difference:
    """Rows that lack, rows too many and rows with another value than the oracle's; `example` is one of them."""

    lost: int = 0
    repeated: int = 0
    wrong: int = 0
    example: str = ""

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            self.lost + other.lost,
            self.repeated + other.repeated,
            self.wrong + other.wrong,
            self.example or other.example,
        )


SAME = Difference()


def compared(lake: Lake, limits: str = "expert") -> Difference:
    """Silver, quarantine and Gold against an independent computation from Bronze's messages."""
    placed = Reader(lake).rows(BRONZE, '"partition", "offset", value', 'ORDER BY "partition", "offset"')
    expected = oracle.silver([row["value"] for row in placed], limits)
    rejected = [(row["partition"], row["offset"]) for row in placed if oracle.valid(row["value"]) is None]
    found = Reader(lake).rows(QUARANTINE, '"partition", "offset"')
    return (
        _counted(QUARANTINE, [(row["partition"], row["offset"]) for row in found], rejected)
        + of_table(lake, FLIGHTS_ML, expected)
        + of_table(lake, FLIGHT_PHASE_COUNTS, oracle.phase_counts(expected))
        + of_table(lake, ANOMALY_ALERTS, oracle.alerts(expected, limits))
    )


def of_table(lake: Lake, table: Table, expected: list[dict[str, Any]]) -> Difference:
    """A table against the rows that it has to hold; the clocks' columns are left out."""
    found = rows(lake, table)
    keys = _counted(table, [_key(table, row) for row in found], [_key(table, row) for row in expected])
    told = {_key(table, row): row for row in found}
    differing = [one for row in expected if (one := _differing(table, told.get(_key(table, row)), row))]
    return keys + Difference(wrong=len(differing), example=differing[0] if differing else "")


def messages(lake: Lake) -> list[bytes]:
    """Bronze's messages in Kafka's order."""
    return list(Reader(lake).column(BRONZE, "value", 'ORDER BY "partition", "offset"'))


def rows(lake: Lake, table: Table) -> list[dict[str, Any]]:
    """A table's rows, sorted by their key."""
    return sorted(Reader(lake).rows(table, "*"), key=lambda row: _key(table, row))


def _key(table: Table, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[key] for key in KEYS[table.name])


def _counted(table: Table, found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> Difference:
    """Keys that lack and keys too many."""
    lost, repeated = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    example = next((f"{table.name} lacks {key}" for key in lost), "")
    example = example or next((f"{table.name} has {key} too often" for key in repeated), "")
    return Difference(lost.total(), repeated.total(), 0, example)


def _differing(table: Table, told: dict[str, Any] | None, meant: dict[str, Any]) -> str:
    """What of a row is not as it should be; a row that lacks is not told here."""
    if told is None:
        return ""
    names = [name for name in meant if not _same(told.get(name), meant[name])]
    names += sorted(told.keys() - CLOCKS - meant.keys())
    values = {name: (told.get(name), meant.get(name)) for name in names}
    return f"{table.name} {_key(table, meant)}: {values}" if values else ""


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
