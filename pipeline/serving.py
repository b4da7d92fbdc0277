"""What dashboards read from the tables, by delta-rs and without Spark; the same figures for every page.

Rules: "active" is distinct airborne aircraft, the headline is the last full minute, missing stays missing, and every window
says whether it was sampled, is still running, provisional (late reports may change it), final or revised.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from pipeline import ops
from pipeline.errors import LakeError
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASES, Lake, Table

MINUTE = timedelta(minutes=1)
ALERT_WINDOW = timedelta(minutes=5)
LATENESS = timedelta(minutes=10)
GRACE = timedelta(minutes=1)
AHEAD = timedelta(minutes=1)  # how far clocks may differ
# What every page looks at: these tables, the minutes of six hours, and the trend of one.
FOLLOWED = (FLIGHTS_ML, FLIGHT_PHASE_COUNTS, ANOMALY_ALERTS)
LONGEST, TREND = timedelta(hours=6), timedelta(hours=1)
MEANS = ("altitude_meters", "velocity_kmh")
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
            if table.name not in self._tables:
                self._tables[table.name] = self.lake.open(table)
            elif not self.lake.is_newest(table, int(self._tables[table.name].version())):
                self._tables[table.name].update_incremental()
        except (LakeError, DeltaError, OSError):
            self._tables.pop(table.name, None)
            if self.lake.exists(table):
                raise
            return -1
        return int(self._tables[table.name].version())

    def written(self, table: Table, writer: str) -> int | None:
        """The number of the last batch that a writer has put into the table; None when it has put none."""
        return self._opened(table).transaction_version(writer)

    def load(self, table: Table, version: int) -> None:
        """Look at the table as it was at a version."""
        self._tables[table.name] = self.lake.open(table, version)

    def table(self, table: Table, select: str, rest: str = "") -> pa.Table:
        """`SELECT {select} FROM table {rest}` (DataFusion SQL) on the version that was refreshed last."""
        opened = self._opened(table)
        try:
            reader = QueryBuilder().register("t", opened).execute(f"SELECT {select} FROM t {rest}")
            return pa.table(reader.read_all())
        except Exception as error:  # DataFusion's own errors have no class of their own
            self._tables.pop(table.name, None)
            raise LakeError(f"The table {table.name} cannot be read: {error}") from error

    def batches(self, table: Table, select: str, rest: str = "") -> Iterator[pa.RecordBatch]:
        """The same piece by piece, for what may not fit into memory."""
        reader = QueryBuilder().register("t", self._opened(table)).execute(f"SELECT {select} FROM t {rest}")
        for batch in reader:
            yield pa.record_batch(batch)

    def frame(self, table: Table, select: str, rest: str = "") -> pd.DataFrame:
        """The same as pandas."""
        return as_pandas(self.table(table, select, rest))

    def answer(self, table: Table, views: Mapping[str, str], text: str) -> pd.DataFrame:
        """A whole query (DataFusion SQL) over `views`, each a query over the table by its name, on the version refreshed last."""
        opened = self._opened(table)
        try:
            engine = QueryBuilder().register(table.name, opened)
            for name, view in views.items():
                engine.execute(f"CREATE VIEW {name} AS {view}").read_all()
            return as_pandas(pa.table(engine.execute(text).read_all()))
        except Exception as error:  # DataFusion's own errors have no class of their own
            self._tables.pop(table.name, None)
            raise LakeError(f"The table {table.name} cannot be read: {error}") from error

    def rows(self, table: Table, select: str, rest: str = "") -> list[dict[str, Any]]:
        """The same as a list of dictionaries."""
        rows: list[dict[str, Any]] = self.table(table, select, rest).to_pylist()
        return rows

    def one(self, table: Table, select: str, rest: str = "") -> dict[str, Any]:
        """The only row of an aggregate."""
        return self.rows(table, select, rest)[0]

    def column(self, table: Table, name: str, rest: str) -> Iterator[Any]:
        """One column, value by value."""
        yield from self.table(table, name, rest).column(0).to_pylist()

    def _opened(self, table: Table) -> DeltaTable:
        if table.name not in self._tables:
            self._tables[table.name] = self.lake.open(table)
        return self._tables[table.name]


@dataclass(frozen=True)
class Freshness:
    """How old the data is, in event time, and how bad that is: `fresh`, `late`, `stale` or `none`."""

    newest: datetime | None
    age_seconds: float | None
    level: str
    reason: str


class WindowRow(NamedTuple):
    """When a window was written first and last."""

    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Headline:
    """The figures of the last full minute that was sampled; None is missing, never zero.

    `anomaly_rate` (0 to 1): anomalous among all aircraft in the five minutes that end with it.
    """

    window_start: datetime
    active_flights: int | None
    mean_altitude_meters: float | None
    mean_velocity_kmh: float | None
    anomaly_rate: float | None


def between(since: datetime, until: datetime, column: str = "window_start") -> str:
    """A condition for [since, until), with the partitions it needs."""
    dates = f"date >= DATE '{since:%Y-%m-%d}' AND date <= DATE '{until:%Y-%m-%d}'"
    return f"WHERE {dates} AND {column} >= {_moment(since)} AND {column} < {_moment(until)}"


def phase_counts(reader: Reader, since: datetime, until: datetime) -> pd.DataFrame:
    """Rows of `flight_phase_counts` whose window starts in [since, until), sorted by time."""
    return reader.frame(FLIGHT_PHASE_COUNTS, "*", f"{between(since, until)} ORDER BY window_start, flight_phase")


def alerts(reader: Reader, since: datetime, until: datetime) -> pd.DataFrame:
    """Rows of `anomaly_alerts` whose window starts in [since, until), sorted by time and rate."""
    return reader.frame(ANOMALY_ALERTS, "*", f"{between(since, until)} ORDER BY window_start, anomaly_rate DESC")


def last_alerts(reader: Reader, newest: datetime) -> pd.DataFrame:
    """Rows of `anomaly_alerts` of the last window that has ended, highest rate first."""
    start = last_full_minute(newest) + MINUTE - ALERT_WINDOW
    return alerts(reader, start, start + MINUTE)


def newest_event(reader: Reader, known: datetime | None = None) -> datetime | None:
    """Event time of the newest observation in Silver; `known` is what it was before, and makes the look cheap.

    One from the future, of an aircraft or a producer whose clock is wrong, is not taken for the present.
    """
    which = f"WHERE event_timestamp <= {_moment(datetime.now(UTC) + AHEAD)}"
    if known is not None:
        which += f" AND date >= DATE '{known:%Y-%m-%d}' AND event_timestamp >= {_moment(known)}"
    newest = reader.one(FLIGHTS_ML, "max(event_timestamp) AS newest", which)["newest"]
    return known if newest is None else newest.astimezone(UTC)


def window_state(start: datetime, newest: datetime, width: timedelta = MINUTE, row: WindowRow | None = None) -> str:
    """What may still happen to a window.

    `not sampled`: no answer was asked for while it lasted (`row` is None), whatever late reports say of it; `running` until an
    observation is newer than its end; `provisional` while late reports may come; then `final`, or `revised` when it was
    written again after it could have been taken for final.
    """
    end = start + width
    if row is None:
        return "not sampled"
    if newest < end:
        return "running"
    if newest < end + LATENESS:
        return "provisional"
    return "revised" if row.created_at < row.updated_at > end + LATENESS + GRACE else "final"


def last_full_minute(newest: datetime) -> datetime:
    """Start of the last minute that has ended by the newest observation."""
    return newest.replace(second=0, microsecond=0) - MINUTE


def phase_minutes(reader: Reader, since: datetime, until: datetime, newest: datetime) -> pd.DataFrame:
    """Each minute of [since, until): aircraft per phase, `altitude_meters`, `velocity_kmh` and the window's `state`.

    A minute that was not sampled is NaN, not zero; within a sampled one a phase without a row had no aircraft. Where the range
    has the newest minutes, one that Gold has not passed is running, however far Silver is.
    """
    counts = phase_counts(reader, since, until)
    index = pd.date_range(since, until, freq="1min", inclusive="left")
    if counts.empty:
        return pd.DataFrame(np.nan, index, [*PHASES, *MEANS]).assign(state="not sampled")
    if until > newest:
        newest = min(newest, counts["window_start"].max().to_pydatetime() + MINUTE - timedelta.resolution)
    minutes = counts.groupby("window_start").agg(
        first=("first_snapshot_timestamp", "min"), created_at=("created_at", "min"), updated_at=("updated_at", "max")
    )
    ends = pd.DatetimeIndex(minutes.index) + MINUTE
    minutes = minutes[minutes["first"] < ends]
    table = counts.pivot(index="window_start", columns="flight_phase", values="aircraft").reindex(columns=list(PHASES))
    for name, mean, count in (("altitude_meters", "avg_altitude_meters", "altitude_count"),
                              ("velocity_kmh", "avg_velocity_kmh", "velocity_count")):  # fmt: skip
        whole = (counts[mean] * counts[count]).groupby(counts["window_start"]).sum()
        values = counts[count].groupby(counts["window_start"]).sum()
        table[name] = whole / values.where(values > 0)
    table[list(PHASES)] = table[list(PHASES)].fillna(0)
    table = table.reindex(minutes.index).reindex(index)
    written = zip(minutes["created_at"], minutes["updated_at"], strict=True)
    known = dict(zip(minutes.index, map(WindowRow._make, written), strict=True))
    return table.assign(state=[window_state(minute, newest, row=known.get(minute)) for minute in index])


def trend(reader: Reader, since: datetime, until: datetime, known: pd.DataFrame) -> pd.DataFrame:
    """Each minute of [since, until): `active` aircraft, and the `anomaly_rate` of the five minutes that end with it.

    `known` is what this function returned before: minutes that were final then are not counted again. Gold may be behind Silver,
    so they are those that were final when Gold's last window was.
    """
    index = pd.date_range(since, until, freq="1min", inclusive="left")
    rated = known.index[known["anomaly_rate"].notna()] if len(known) else known.index
    kept: pd.DataFrame = (
        known[known.index < min(until, rated[-1]) - LATENESS - 2 * MINUTE] if len(rated) else known.iloc[:0]
    )
    begin = max(since, kept.index[-1] + MINUTE) if len(kept) else since
    active = reader.frame(
        FLIGHTS_ML,
        "date_trunc('minute', event_timestamp) AS minute, "
        "count(DISTINCT CASE WHEN NOT coalesce(on_ground, false) THEN icao24 END) AS active",
        f"{between(begin, until, 'event_timestamp')} GROUP BY 1",
    )
    rates = reader.frame(
        ANOMALY_ALERTS,
        "window_start AS minute, CAST(sum(anomalous_aircraft) AS DOUBLE) / sum(aircraft) AS anomaly_rate",
        f"{between(begin + MINUTE - ALERT_WINDOW, until + MINUTE - ALERT_WINDOW)} GROUP BY 1",
    )
    rates["minute"] += ALERT_WINDOW - MINUTE
    found = pd.concat([active.set_index("minute")["active"], rates.set_index("minute")["anomaly_rate"]], axis=1)
    parts = [frame for frame in (kept, found.astype(float)) if len(frame)]
    return (pd.concat(parts) if parts else found.astype(float)).reindex(index)


def headline(minutes: pd.DataFrame, trend: pd.DataFrame) -> Headline | None:
    """The figures of the last full minute that was sampled; None while there is none."""
    full = minutes[~minutes["state"].isin(["running", "not sampled"])]
    if full.empty:
        return None
    minute, row = full.index[-1], full.iloc[-1]
    beside = trend.loc[minute] if minute in trend.index else pd.Series(np.nan, trend.columns)
    active = _known(beside.get("active"))
    return Headline(
        minute.to_pydatetime(),
        None if active is None else int(active),
        _known(row["altitude_meters"]),
        _known(row["velocity_kmh"]),
        _known(beside.get("anomaly_rate")),
    )


def as_pandas(found: pa.Table) -> pd.DataFrame:
    """Rows of either engine as pandas: moments are in UTC, and what is missing stays so."""
    plain = pa.schema([(field.name, _plain(field.type)) for field in found.schema])
    frame: pd.DataFrame = found.cast(plain).to_pandas()
    return frame


def _plain(kind: pa.DataType) -> pa.DataType:
    """An Arrow type that pandas takes: DataFusion answers in views of strings."""
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _plain(field.type)) for field in kind])
    return kind


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


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
    needed = {name: part for name, part in status["parts"].items() if not part.get("optional")}
    for name, part in needed.items():
        if part["state"] in ("failed", "stalled"):
            return f"{name} is {part['state']}: {part['cause'] or 'no progress'}"
    for name, part in needed.items():
        if part["state"] == "starting" and part["cause"]:
            return f"{name} is not running yet: {part['cause']}"
    stopped = [name for name, part in needed.items() if part["state"] == "stopped"]
    if stopped:
        return f"{', '.join(stopped)} {'is' if len(stopped) == 1 else 'are'} stopped"
    ended = status["parts"].get("feed", {}).get("state") == "done"
    feed_trouble = status["parts"].get("feed", {}).get("cause")
    return "the recording has ended" if ended else str(feed_trouble or "")


def status(lake: Lake) -> dict[str, Any] | None:
    """What the supervisor published last; None before its first time."""
    return ops.read(lake, ops.STATUS)


def _moment(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"
