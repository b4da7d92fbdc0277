"""A peer's rows held against those of an independent computation, key by key and column by column."""

from __future__ import annotations

import polars as pl

from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake, Table

KEYS = {
    FLIGHTS_ML: ("icao24", "event_timestamp"),
    FLIGHT_PHASE_COUNTS: ("window_start", "flight_phase"),
    ANOMALY_ALERTS: ("window_start", "origin_country"),
}
# Not told by the messages: when Kafka and the merge got them.
CLOCKS = {"ingest_timestamp", "created_at", "updated_at"}
RELATIVE, ABSOLUTE = 1e-9, 1e-6


def differences(told: Lake, meant: Lake) -> dict[str, dict[str, int]]:
    """Of each table: how many rows it has; how many are missing, too many, or differ in a column that both have, if any."""
    return {table.name: _of_table(table, told, meant) for table in KEYS}


def kinds(told: Lake, meant: Lake) -> dict[str, int]:
    """The same as one would speak of it: rows of each kind of error, as the usual notebook makes them."""
    silver, phases, alerts = (joined(table, told, meant) for table in KEYS)
    lost = pl.col("previous_timestamp_told").is_null() & pl.col("previous_timestamp").is_not_null()
    bridged = pl.col("previous_timestamp_told").is_not_null() & pl.col("previous_timestamp").is_null()
    zero = pl.any_horizontal(
        pl.col(name).is_null() & (pl.col(f"{name}_told") == 0)
        for name in ("altitude_change", "velocity_change", "rolling_std_altitude")
    )
    flights = pl.col("aircraft_told") > pl.col("aircraft")
    without = pl.any_horizontal(
        pl.col(name).is_null() & (pl.col(f"{name}_told") == 0) for name in ("avg_altitude_meters", "avg_velocity_kmh")
    )
    return {
        "Silver: history lost at the edge of a batch": _count(silver, lost),
        "Silver: history carried over a silence": _count(silver, bridged),
        "Silver: missing shown as zero": _count(silver, zero),
        "Silver: wrong flight phase": _count(silver, pl.col("flight_phase_told") != pl.col("flight_phase")),
        "Silver: wrong anomalies": _count(silver, pl.col("anomalies_told") != pl.col("anomalies")),
        "Gold phases: observations counted as flights": _count(phases, flights),
        "Gold phases: missing shown as zero": _count(phases, without),
        "Gold countries: wrong number of aircraft": _count(alerts, pl.col("aircraft_told") != pl.col("aircraft")),
        "Gold countries: wrong number of anomalous aircraft": _count(
            alerts, pl.col("anomalous_aircraft_told") != pl.col("anomalous_aircraft")
        ),
    }


def joined(table: Table, told: Lake, meant: Lake) -> pl.DataFrame:
    """Rows that both have, the peer's columns with `_told` at their end."""
    return rows(meant, table).join(rows(told, table), on=KEYS[table], suffix="_told")


def rows(lake: Lake, table: Table) -> pl.DataFrame:
    """A table of a lake."""
    return pl.DataFrame(lake.open(table).to_pyarrow_table())


def _of_table(table: Table, told: Lake, meant: Lake) -> dict[str, int]:
    keys, mine, theirs = KEYS[table], rows(told, table), rows(meant, table)
    both = theirs.join(mine, on=keys, suffix="_told")
    found = {
        "rows missing": len(theirs) - len(theirs.join(mine, on=keys, how="semi")),
        "rows too many": len(mine) - len(theirs.join(mine, on=keys, how="semi")),
    }
    for name in theirs.columns:
        if name in mine.columns and name not in CLOCKS and name not in keys:
            found[name] = _count(both, ~_same(name, theirs[name].dtype))
    return {"rows": len(theirs)} | {what: count for what, count in found.items() if count}


def _same(name: str, kind: pl.DataType) -> pl.Expr:
    one, other = pl.col(name), pl.col(f"{name}_told")
    if kind.is_float():
        near = (one - other).abs() <= pl.max_horizontal(one.abs() * RELATIVE, pl.lit(ABSOLUTE))
        return (one.is_null() & other.is_null()) | near.fill_null(False)
    return one.eq_missing(other)


def _count(frame: pl.DataFrame, holds: pl.Expr) -> int:
    return frame.filter(holds.fill_null(False)).height
