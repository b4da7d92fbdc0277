"""Anomaly alerts as the pages show them: read from Gold, and rehearsed on Silver with another limit. Without Spark.

A country is in alert in a window of five minutes when at least `least` aircraft of it were seen, at least one of them was
anomalous, and the anomalous ones are `threshold` percent of them or more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import serving
from pipeline.anomalies import Limits
from pipeline.serving import ALERT_WINDOW, MINUTE, Reader, WindowRow, between
from pipeline.tables import ANOMALY_ALERTS, FLIGHTS_ML, REASONS

HOUR = timedelta(hours=1)
HOURS = 24
LONGEST = timedelta(days=1)
TEN, ROWS = 10, 15
WIDTH = ALERT_WINDOW // MINUTE
REHEARSED = ("altitude_high", "altitude_low", "speed_high", "vertical_rate", "altitude_mismatch")
BEYOND = {
    "altitude_high": "altitude_meters > {}",
    "altitude_low": "altitude_meters < {}",
    "speed_high": "velocity_kmh > {}",
    "speed_low": "velocity_kmh < {}",
    "vertical_rate": "abs(vertical_rate) > {}",
    "altitude_mismatch": "abs(geo_altitude_meters - altitude_meters) > {}",
}

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Alert:
    """Consecutive windows of one country in alert: rows of `anomaly_alerts` by time, each with its `state`."""

    country: str
    windows: pd.DataFrame

    @property
    def since(self) -> datetime:
        """Start of the first window."""
        first: datetime = self.windows["window_start"].iloc[0].to_pydatetime()
        return first

    @property
    def until(self) -> datetime:
        """End of the last window."""
        last: datetime = self.windows["window_end"].iloc[-1].to_pydatetime()
        return last

    @cached_property
    def peak(self) -> pd.Series:
        """The window with the highest rate, the latest of those."""
        highest = self.windows["anomaly_rate"].to_numpy()
        return self.windows.iloc[len(highest) - 1 - int(highest[::-1].argmax())]


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What another limit would have done to the windows that lie within [since, until).

    `countries`: alerts of each country by Gold (`present`) and with the limit moved (`moved`); `windows`: the same for each
    window. `aircraft`, `aircraft_moved`: aircraft with an anomaly, as recorded and with the limit moved.
    """

    since: datetime
    until: datetime
    countries: pd.DataFrame
    windows: pd.DataFrame
    aircraft: int
    aircraft_moved: int

    @property
    def alerts(self) -> int:
        """Windows of a country in alert, by Gold."""
        return int(self.windows["present"].sum())

    @property
    def alerts_moved(self) -> int:
        """Windows of a country that would have been in alert."""
        return int(self.windows["moved"].sum())


def in_alert(threshold: float, least: int) -> str:
    """A condition on rows of `anomaly_alerts`: whether the country is in alert. `threshold` is in percent."""
    return f"anomalous_aircraft > 0 AND aircraft >= {int(least)} AND anomalous_aircraft * 100.0 >= {float(threshold)} * aircraft"


def above(reader: Reader, since: datetime, until: datetime, threshold: float, least: int) -> pd.DataFrame:
    """Rows of `anomaly_alerts` in alert whose window starts in [since, until), by country and time."""
    order = "ORDER BY origin_country, window_start"
    return reader.frame(ANOMALY_ALERTS, "*", f"{between(since, until)} AND {in_alert(threshold, least)} {order}")


def alerts(reader: Reader, newest: datetime, back: timedelta, threshold: float, least: int) -> list[Alert]:
    """Alerts in windows that ended in the last `back` of full minutes; the latest first, then the highest.

    An alert that began before has all its windows of a day, so that it says when it began.
    """
    reader.refresh(ANOMALY_ALERTS)
    until = serving.last_full_minute(newest) + 2 * MINUTE - ALERT_WINDOW
    rows = above(reader, until - max(back, LONGEST), until, threshold, least)
    if rows.empty:
        return []
    recent = [windows for _, windows in _runs(rows) if windows["window_start"].iloc[-1] >= pd.Timestamp(until - back)]
    if not recent:
        return []
    found = [Alert(str(country), run) for country, run in _runs(_with_state(reader, pd.concat(recent), newest))]
    return sorted(found, key=lambda one: (one.until, one.peak["anomaly_rate"]), reverse=True)


def windows_counted(reader: Reader, newest: datetime, back: timedelta) -> int:
    """How many windows Gold has that ended in the last `back` of full minutes: where there is none, nobody knows of an alert."""
    reader.refresh(ANOMALY_ALERTS)
    until = serving.last_full_minute(newest) + 2 * MINUTE - ALERT_WINDOW
    return int(reader.one(ANOMALY_ALERTS, "count(DISTINCT window_start) AS n", between(until - back, until))["n"])


def ranked(alerts: pd.DataFrame, least: int) -> pd.DataFrame:
    """The ten countries with the highest anomaly rate among those with `least` aircraft or more and any anomalous one."""
    if alerts.empty:
        return alerts
    enough = alerts[(alerts["aircraft"] >= least) & (alerts["anomalous_aircraft"] > 0)]
    return enough.sort_values(["anomaly_rate", "aircraft", "origin_country"], ascending=[False, False, True]).head(TEN)


def highest(cells: pd.DataFrame) -> list[str]:
    """The countries with the highest rate in any hour, in that order; those without any anomaly are left out."""
    if cells.empty:
        return []
    rates = cells.groupby("country")["anomaly_rate"].max()
    return list(rates[rates > 0].sort_values(ascending=False, kind="stable").index[:ROWS])


def counts(row: pd.Series) -> dict[str, int]:
    """Observations with each reason that occurs in a window, the most frequent first."""
    found = {reason: row[f"{reason}_count"] for reason in REASONS}
    known = {reason: int(count) for reason, count in found.items() if pd.notna(count) and count > 0}
    return dict(sorted(known.items(), key=lambda one: -one[1]))


def hours(reader: Reader, newest: datetime, least: int) -> tuple[pd.DataFrame, pd.Series]:
    """Anomaly rate of each country in each of the last 24 hours, and how many windows of each hour were sampled.

    The windows that begin at full five minutes do not overlap: every observation counts once. A row: `hour`, `country`,
    `anomaly_rate` (0 to 1: anomalous aircraft among aircraft, added up over those windows), `aircraft` (the most in one
    window), `anomalous` (summed). Windows with fewer than `least` aircraft of a country are left out of it.
    """
    reader.refresh(ANOMALY_ALERTS)
    until = serving.last_full_minute(newest) + 2 * MINUTE - ALERT_WINDOW
    first = newest.replace(minute=0, second=0, microsecond=0) - (HOURS - 1) * HOUR
    tiles = f"{between(first, until)} AND date_bin(INTERVAL '5 minutes', window_start) = window_start"
    looked = f"window_start IN (SELECT window_start FROM t {tiles} GROUP BY window_start HAVING {_SAMPLED})"
    cells = reader.frame(
        ANOMALY_ALERTS,
        "date_trunc('hour', window_start) AS hour, origin_country AS country, max(aircraft) AS aircraft, "
        "CAST(sum(anomalous_aircraft) AS DOUBLE) / sum(aircraft) AS anomaly_rate, sum(anomalous_aircraft) AS anomalous",
        f"{tiles} AND {looked} AND aircraft >= {int(least)} GROUP BY 1, 2",
    )
    windows = reader.frame(
        ANOMALY_ALERTS,
        "date_trunc('hour', window_start) AS hour, count(DISTINCT window_start) AS windows",
        f"{tiles} AND {looked} GROUP BY 1",
    )
    every = pd.date_range(first, periods=HOURS, freq="1h")
    return cells, windows.set_index("hour")["windows"].reindex(every, fill_value=0)


def rehearse(
    reader: Reader, newest: datetime, limits: Limits, reason: str, bound: float, threshold: float, least: int
) -> Rehearsal:
    """How many alerts the last hour would have had with one limit moved, the others as they are.

    The hour ends a minute before the last full one, so that Gold has caught up with Silver. With no limit moved the figures
    are Gold's, except for reports so late that Gold no longer took them.
    """
    for table in (FLIGHTS_ML, ANOMALY_ALERTS):
        reader.refresh(table)
    until = serving.last_full_minute(newest)
    since, moved = until - HOUR, with_bound(limits, reason, bound)
    sightings = reader.frame(
        FLIGHTS_ML,
        "origin_country, icao24, date_trunc('minute', event_timestamp) AS minute, "
        "coalesce(bool_or(cardinality(anomalies) > 0), false) AS recorded, "
        f"coalesce(bool_or({beyond(moved)}), false) AS moved",
        f"{between(since, until, 'event_timestamp')} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    )
    present = above(reader, since, until + MINUTE - ALERT_WINDOW, threshold, least)
    starts = pd.date_range(since, until - ALERT_WINDOW, freq="1min")
    would = _moved_alerts(sightings, starts, threshold, least)
    return Rehearsal(
        since,
        until,
        _side_by_side(present.groupby("origin_country").size(), would.sum(axis=1)),
        _side_by_side(present.groupby("window_start").size(), would.sum(axis=0)).reindex(starts, fill_value=0),
        int(sightings.loc[sightings["recorded"], "icao24"].nunique()),
        int(sightings.loc[sightings["moved"], "icao24"].nunique()),
    )


def with_bound(limits: Limits, reason: str, bound: float) -> Limits:
    """The limits with one of them moved."""
    moves: dict[str, Any] = {reason: float(bound)}
    return replace(limits, **moves)


def beyond(limits: Limits) -> str:
    """The rule of `anomalies.reasons` as a condition on rows of `flights_ml`; an emergency is taken as it was recorded."""
    checked = [rule.format(float(bound)) for reason, rule in BEYOND.items() if (bound := limits.of(reason)) is not None]
    emergency = ["array_has(anomalies, 'emergency_squawk')"] if limits.emergency else []
    return " OR ".join([*checked, *emergency])


_SAMPLED = f"min(first_snapshot_timestamp) < window_start + INTERVAL '{WIDTH} minutes'"


def _with_state(reader: Reader, rows: pd.DataFrame, newest: datetime) -> pd.DataFrame:
    """The rows with their window's `state`; all countries tell together whether a window was sampled."""
    windows = reader.frame(
        ANOMALY_ALERTS,
        f"window_start, {_SAMPLED} AS sampled, min(created_at) AS created",
        f"{between(rows['window_start'].min(), rows['window_start'].max() + MINUTE)} GROUP BY 1",
    )
    told = rows.merge(windows, on="window_start")
    states = [
        serving.window_state(start, newest, ALERT_WINDOW, WindowRow(created, updated) if sampled else None)
        for start, sampled, created, updated in zip(
            told["window_start"], told["sampled"].eq(True), told["created"], told["updated_at"], strict=True
        )
    ]
    return told.drop(columns=["sampled", "created"]).assign(state=states)


def _runs(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each country's windows that follow one another minute by minute."""
    rows = rows.sort_values(["origin_country", "window_start"], ignore_index=True)
    follows = rows["window_start"].diff().eq(MINUTE) & rows["origin_country"].eq(rows["origin_country"].shift())
    for _, run in rows.groupby((~follows).cumsum()):
        yield run["origin_country"].iloc[0], run.reset_index(drop=True)


def _moved_alerts(sightings: pd.DataFrame, starts: pd.DatetimeIndex, threshold: float, least: int) -> pd.DataFrame:
    """Whether each country (row) would have been in alert in each window (column)."""
    codes, names = pd.factorize(sightings["origin_country"])
    shape = len(names), len(starts)
    minute = np.asarray((sightings["minute"] - starts[0]) // MINUTE, np.int64)
    one = pd.factorize(sightings["origin_country"] + "\n" + sightings["icao24"])[0]
    flagged = sightings["moved"].to_numpy(bool)
    aircraft = _distinct(codes, one, minute, shape)
    anomalous = _distinct(codes[flagged], one[flagged], minute[flagged], shape)
    alert = (anomalous > 0) & (aircraft >= least) & (anomalous * 100.0 >= threshold * aircraft)
    return pd.DataFrame(alert.astype(np.int64), names, starts)


def _distinct(country: Ints, aircraft: Ints, minute: Ints, shape: tuple[int, int]) -> Ints:
    """Distinct aircraft of each country in each sliding window, from rows sorted by aircraft and minute.

    A row adds its aircraft to the windows that hold its minute but not the one before: those that begin in [low, high].
    """
    follows = np.zeros(len(minute), bool)
    follows[1:] = aircraft[1:] == aircraft[:-1]
    before = np.where(follows, np.roll(minute, 1), -WIDTH)
    low, high = np.maximum.reduce([minute - WIDTH + 1, before + 1, np.zeros_like(minute)]), minute
    high = np.minimum(high, shape[1] - 1)
    adds = low <= high
    change = np.zeros((shape[0], shape[1] + 1), np.int64)
    np.add.at(change, (country[adds], low[adds]), 1)
    np.add.at(change, (country[adds], high[adds] + 1), -1)
    return change.cumsum(axis=1)[:, :-1]


def _side_by_side(present: pd.Series, moved: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"present": present, "moved": moved}).fillna(0).astype(np.int64)
