"""Single aircraft as dashboards read them from Silver: where each one is, and what one of them did. Without Spark."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from pipeline.serving import Reader, between
from pipeline.tables import FLIGHTS_ML

KEPT = timedelta(minutes=5)
HOUR = timedelta(hours=1)
OVERLAP = timedelta(seconds=60)
COLUMNS = (
    "icao24",
    "callsign",
    "origin_country",
    "event_timestamp",
    "longitude",
    "latitude",
    "altitude_meters",
    "geo_altitude_meters",
    "velocity_kmh",
    "vertical_rate",
    "true_track",
    "on_ground",
    "squawk",
    "category",
    "flight_phase",
    "anomalies",
    "snapshot_timestamp",
    "ingest_timestamp",
)


def updated(reader: Reader, sky: pd.DataFrame, newest: datetime) -> pd.DataFrame:
    """The latest report of every aircraft heard in the last five minutes of event time, a row each (`COLUMNS`).

    `sky` is what this function returned before; only what reached Kafka since is read again.
    """
    names = ", ".join(COLUMNS)
    rest = between(newest - KEPT, newest + KEPT, "event_timestamp")
    if len(sky):
        since = sky["ingest_timestamp"].max() - OVERLAP
        rest += f" AND ingest_timestamp >= TIMESTAMP '{since:%Y-%m-%dT%H:%M:%S.%fZ}'"
    rows = reader.frame(FLIGHTS_ML, names, f"{rest} ORDER BY event_timestamp")
    both = pd.concat([sky, rows], ignore_index=True) if len(sky) else rows
    latest = both.sort_values("event_timestamp", kind="stable").drop_duplicates("icao24", keep="last")
    return latest[latest["event_timestamp"] >= newest - KEPT].reset_index(drop=True)


def aircraft(reader: Reader, icao24: str, since: datetime, until: datetime) -> pd.DataFrame:
    """Every observation of one aircraft in [since, until), by time; all columns of `flights_ml`."""
    if not icao24.isalnum():
        raise ValueError(f"{icao24!r} is no icao24")
    rest = f"{between(since, until, 'event_timestamp')} AND icao24 = '{icao24}' ORDER BY event_timestamp"
    return reader.frame(FLIGHTS_ML, "*", rest)


def last_hour(reader: Reader, icao24: str, newest: datetime) -> pd.DataFrame:
    """`aircraft` in the hour of event time before `newest`, as the table is now."""
    reader.refresh(FLIGHTS_ML)
    return aircraft(reader, icao24, newest - HOUR, newest + KEPT)
