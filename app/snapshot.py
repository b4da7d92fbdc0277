"""What all sessions show: one immutable snapshot of the tables, brought up to date from the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import pandas as pd

from pipeline import serving, sightings
from pipeline.serving import FOLLOWED, LONGEST, MINUTE, TREND, Headline, Reader
from pipeline.tables import FLIGHTS_ML


@dataclass(frozen=True, eq=False)
class Snapshot:
    """`version` grows with every change; what nothing is known of is None or empty. A frame that did not change is the same object.

    `minutes`: aircraft per phase and the `state` of each minute of the last six hours, NaN where not sampled.
    `trend`: `active`, `altitude_meters`, `velocity_kmh` and `anomaly_rate` (0 to 1) of each minute of the last hour.
    `alerts`: rows of `anomaly_alerts` of the last full window. `sky`: the latest report of each aircraft (`sightings`).
    """

    version: int = 0
    versions: Mapping[str, int] = field(default_factory=dict)
    newest: datetime | None = None
    headline: Headline | None = None
    minutes: pd.DataFrame = field(default_factory=pd.DataFrame)
    trend: pd.DataFrame = field(default_factory=pd.DataFrame)
    alerts: pd.DataFrame = field(default_factory=pd.DataFrame)
    sky: pd.DataFrame = field(default_factory=pd.DataFrame)
    sky_version: int = 0
    trouble: str = ""


def looked(reader: Reader, before: Snapshot) -> Snapshot:
    """The snapshot of what the tables hold now; the one before when nothing has changed."""
    versions = {table.name: reader.refresh(table) for table in FOLLOWED}
    if -1 in versions.values() or (versions == before.versions and not before.trouble):
        return before
    newest = serving.newest_event(reader, before.newest)
    if newest is None:
        return replace(before, versions=versions)
    until = newest.replace(second=0, microsecond=0) + MINUTE
    sky, sky_version = before.sky, before.sky_version
    if versions[FLIGHTS_ML.name] != before.versions.get(FLIGHTS_ML.name):
        sky, sky_version = sightings.updated(reader, sky, newest), sky_version + 1
    minutes = serving.phase_minutes(reader, until - LONGEST, until, newest)
    trend = serving.trend(reader, until - TREND, until, before.trend)
    return Snapshot(
        version=before.version + 1,
        versions=versions,
        newest=newest,
        headline=serving.headline(minutes, trend),
        minutes=before.minutes if minutes.equals(before.minutes) else minutes,
        trend=before.trend if trend.equals(before.trend) else trend,
        alerts=serving.last_alerts(reader, newest),
        sky=sky,
        sky_version=sky_version,
    )
