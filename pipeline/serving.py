"""What dashboards read from the tables, by delta-rs and without Spark; the same figures for every page.

Rules: "active" is distinct airborne aircraft, the headline is the last full minute, missing stays missing, and every window
says whether it is still running, provisional (late reports may change it) or final.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from pipeline import ops
from pipeline.errors import LakeError
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASES, Lake, Table

MINUTE = timedelta(minutes=1)
LATENESS = timedelta(minutes=10)
SILENT_SECONDS = 10.0
FRESH_SECONDS, STALE_SECONDS = 60.0, 180.0


class Reader:
    """Open tables, kept up to date by their log alone. Not for several threads at once."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._tables: dict[str, DeltaTable] = {}

    def refresh(self, table: Table) -> int:
        """Take the table's newest version and return its number; -1 while there is no such table."""
        try:
            if table.name in self._tables:
                self._tables[table.name].update_incremental()
            else:
                self._tables[table.name] = self.lake.open(table)
        except (LakeError, DeltaError, OSError):
            self._tables.pop(table.name, None)
            if self.lake.exists(table):
                raise
            return -1
        return int(self._tables[table.name].version())

    def load(self, table: Table, version: int) -> None:
        """Look at the table as it was at a version."""
        self._tables[table.name] = self.lake.open(table, version)

    def table(self, table: Table, select: str, rest: str = "") -> pa.Table:
        """`SELECT {select} FROM table {rest}` (DataFusion SQL) on the version that was refreshed last."""
        if table.name not in self._tables:
            self._tables[table.name] = self.lake.open(table)
        try:
            reader = QueryBuilder().register("t", self._tables[table.name]).execute(f"SELECT {select} FROM t {rest}")
            return pa.table(reader.read_all())
        except (DeltaError, OSError) as error:
            self._tables.pop(table.name, None)
            raise LakeError(f"The table {table.name} cannot be read: {error}") from error

    def frame(self, table: Table, select: str, rest: str = "") -> pd.DataFrame:
        """The same as pandas."""
        frame: pd.DataFrame = self.table(table, select, rest).to_pandas()
        return frame

    def rows(self, table: Table, select: str, rest: str = "") -> list[dict[str, Any]]:
        """The same as a list of dictionaries."""
        rows: list[dict[str, Any]] = self.table(table, select, rest).to_pylist()
        return rows

    def one(self, table: Table, select: str) -> dict[str, Any]:
        """The only row of an aggregate over the whole table."""
        return self.rows(table, select)[0]

    def column(self, table: Table, name: str, rest: str) -> Iterator[Any]:
        """One column, value by value."""
        yield from self.table(table, name, rest).column(0).to_pylist()


@dataclass(frozen=True)
class Freshness:
    """How old the data is, in event time, and how bad that is: `fresh`, `late`, `stale` or `none`."""

    newest: datetime | None
    age_seconds: float | None
    level: str
    reason: str


@dataclass(frozen=True)
class Headline:
    """The figures of the last full minute; None is missing, never zero."""

    window_start: datetime
    active_flights: int | None
    mean_altitude_meters: float | None
    mean_velocity_kmh: float | None


def between(since: datetime, until: datetime, column: str = "window_start") -> str:
    """A condition for [since, until), with the partitions it needs."""
    dates = f"date >= DATE '{since:%Y-%m-%d}' AND date <= DATE '{until:%Y-%m-%d}'"
    return f"WHERE {dates} AND {column} >= TIMESTAMP '{_sql(since)}' AND {column} < TIMESTAMP '{_sql(until)}'"


def phase_counts(reader: Reader, since: datetime, until: datetime) -> pd.DataFrame:
    """Rows of `flight_phase_counts` whose window starts in [since, until), sorted by time."""
    columns = "window_start, flight_phase, observations, aircraft, avg_altitude_meters, altitude_count, avg_velocity_kmh, velocity_count, updated_at"
    return reader.frame(FLIGHT_PHASE_COUNTS, columns, f"{between(since, until)} ORDER BY window_start, flight_phase")


def alerts(reader: Reader, since: datetime, until: datetime) -> pd.DataFrame:
    """Rows of `anomaly_alerts` whose window starts in [since, until), sorted by time and rate."""
    return reader.frame(ANOMALY_ALERTS, "*", f"{between(since, until)} ORDER BY window_start, anomaly_rate DESC")


def newest_event(reader: Reader) -> datetime | None:
    """Event time of the newest observation in Silver."""
    newest = reader.one(FLIGHTS_ML, "max(event_timestamp) AS newest")["newest"]
    return None if newest is None else newest.astimezone(UTC)


def window_state(start: datetime, newest: datetime, width: timedelta = MINUTE) -> str:
    """`running` until an observation is newer than its end, `provisional` while late reports may come, then `final`."""
    if newest < start + width:
        return "running"
    return "provisional" if newest < start + width + LATENESS else "final"


def last_full_minute(newest: datetime) -> datetime:
    """Start of the last minute that has ended by the newest observation."""
    return newest.replace(second=0, microsecond=0) - MINUTE


def headline(reader: Reader, newest: datetime) -> Headline:
    """The figures of the last full minute.

    Active flights are counted in Silver: an aircraft that changes its phase within the minute is in two rows of Gold.
    Means are weighted by observations.
    """
    start = last_full_minute(newest)
    window = between(start, start + MINUTE, "event_timestamp")
    airborne = reader.rows(
        FLIGHTS_ML, "count(DISTINCT icao24) AS aircraft", f"{window} AND NOT coalesce(on_ground, false)"
    )
    gold = phase_counts(reader, start, start + MINUTE)
    if gold.empty:
        return Headline(start, None, None, None)
    return Headline(
        start,
        int(airborne[0]["aircraft"]),
        weighted_mean(gold["avg_altitude_meters"], gold["altitude_count"]),
        weighted_mean(gold["avg_velocity_kmh"], gold["velocity_count"]),
    )


def weighted_mean(means: pd.Series[float], counts: pd.Series[int]) -> float | None:
    """The mean of all values behind some means; None when there is none."""
    total = int(counts.sum())
    return float(np.nansum(means * counts) / total) if total else None


def per_minute(counts: pd.DataFrame, since: datetime, until: datetime) -> pd.DataFrame:
    """Aircraft per phase for every minute of [since, until): a minute without a row of any phase is NaN, not zero."""
    minutes = pd.date_range(since, until, freq="1min", inclusive="left", tz="UTC" if since.tzinfo is None else None)
    table = counts.pivot(index="window_start", columns="flight_phase", values="aircraft").reindex(columns=list(PHASES))
    # Within a sampled minute a phase without a row had no aircraft; a minute without any row was not sampled.
    return table.fillna(0).reindex(minutes)


def freshness(newest: datetime | None, status: dict[str, Any] | None, now: float | None = None) -> Freshness:
    """Age of the data, and when it is old, why."""
    now = time.time() if now is None else now
    if newest is None:
        return Freshness(None, None, "none", trouble(status, now) or "no observation has come yet")
    age = max(0.0, now - newest.timestamp())
    level = "fresh" if age < FRESH_SECONDS else "late" if age < STALE_SECONDS else "stale"
    return Freshness(newest, age, level, "" if level == "fresh" else trouble(status, now) or "no newer report has come")


def trouble(status: dict[str, Any] | None, now: float) -> str:
    """What keeps data from coming, in one sentence; empty when nothing is known."""
    if status is None:
        return "no pipeline has run here yet"
    if status["doing"] == "stopped":
        return "the pipeline is stopped"
    if now - status["at"] > SILENT_SECONDS:
        return f"the driver has been silent for {now - status['at']:,.0f} s"
    if status.get("trouble"):
        return str(status["trouble"]["cause"])
    for name, part in status["parts"].items():
        if part["state"] in ("failed", "stalled"):
            return f"{name} is {part['state']}: {part['cause'] or 'no progress'}"
    stopped = [name for name, part in status["parts"].items() if part["state"] == "stopped"]
    if stopped:
        return f"{', '.join(stopped)} {'is' if len(stopped) == 1 else 'are'} stopped"
    ended = status["parts"].get("feed", {}).get("state") == "done"
    feed_trouble = status["parts"].get("feed", {}).get("cause")
    return "the recording has ended" if ended else str(feed_trouble or "")


def status(lake: Lake) -> dict[str, Any] | None:
    """What the supervisor published last; None before its first time."""
    return ops.read(lake, ops.STATUS)


def _sql(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
