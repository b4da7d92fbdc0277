"""What the viewer shows of a lake: read once for all its sessions, by the same functions as the operator's page."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd
from deltalake.exceptions import DeltaError

from pipeline import alert_words, alerting, serving
from pipeline.errors import LakeError
from pipeline.serving import FOLLOWED, LONGEST, MINUTE, TREND, Headline, Reader
from pipeline.tables import Lake

RANGES = {"15 min": 15 * MINUTE, "1 h": 60 * MINUTE, "6 h": 360 * MINUTE}
# Two parts of each session ask; within this time one look at the tables serves all of them.
SHARED_SECONDS = 1.0
FIGURES = ("active", "altitude_meters", "velocity_kmh", "anomaly_rate")


@dataclass(frozen=True)
class View:
    """The lake at one version of its tables.

    `minutes` and `trend`: `serving.phase_minutes` of six hours and `serving.trend` of the last one. `top`: the ten countries
    with the highest anomaly rate in the last full window. `critical`: a row an alert, in words; `counted`: windows that were looked at. `cells` and `windows`:
    `alerting.hours`.
    """

    newest: datetime
    headline: Headline | None
    minutes: pd.DataFrame
    trend: pd.DataFrame
    top: pd.DataFrame
    critical: pd.DataFrame
    counted: int
    cells: pd.DataFrame
    windows: pd.Series

    def within(self, back: timedelta) -> pd.DataFrame:
        """The minutes of a range that ends now."""
        return self.minutes.iloc[-(back // MINUTE) :]


class Desk:
    """One reader of a lake for all sessions; it answers one of them at a time."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._reader = Reader(lake)
        self._lock = threading.Lock()
        self.newest: datetime | None = None
        self._trend = pd.DataFrame()
        self._found: tuple[int, ...] | LakeError = ()
        self._found_at = float("-inf")

    def versions(self) -> tuple[int, ...]:
        """The tables' newest versions, -1 for a table that is not there; `newest` is known afterwards.

        What was found less than `SHARED_SECONDS` ago is told again. Raises LakeError when the lake cannot be read, also again:
        who asks a lake that does not answer waits for seconds.
        """
        with self._lock:
            if time.monotonic() - self._found_at >= SHARED_SECONDS:
                try:
                    self._found = self._look()
                except LakeError as error:
                    self._found = error
                self._found_at = time.monotonic()
            if isinstance(self._found, LakeError):
                raise self._found.with_traceback(None)
            return self._found

    def _look(self) -> tuple[int, ...]:
        with self._readable():
            self.lake.check_readable()  # before delta-rs, which has more patience than a viewer
            found = tuple(self._reader.refresh(table) for table in FOLLOWED)
            # Asked at an unchanged version too: the log of a lake that is gone has nothing new, but its files cannot be read.
            self.newest = None if -1 in found else serving.newest_event(self._reader, self.newest)
            return found

    def view(self, back: timedelta, threshold: float, least: int) -> View | None:
        """What there is to show at the `versions` found last; None while Silver is empty.

        Raises LakeError when the lake cannot be read.

        `threshold`: percent of anomalous aircraft from which a country with `least` aircraft or more is in alert.
        """
        with self._lock, self._readable():
            return self._view(back, threshold, least)

    def _view(self, back: timedelta, threshold: float, least: int) -> View | None:
        reader, newest = self._reader, self.newest
        if newest is None:
            return None
        until = newest.replace(second=0, microsecond=0) + MINUTE
        minutes = serving.phase_minutes(reader, until - LONGEST, until, newest)
        self._trend = serving.trend(reader, until - TREND, until, self._trend)
        cells, windows = alerting.hours(reader, newest, least)
        return View(
            newest=newest,
            headline=serving.headline(minutes, self._trend),
            minutes=minutes,
            trend=self._trend,
            top=alerting.ranked(serving.last_alerts(reader, newest), least),
            critical=table(alerting.alerts(reader, newest, back, threshold, least)),
            counted=alerting.windows_counted(reader, newest, back),
            cells=cells,
            windows=windows,
        )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (DeltaError, OSError) as error:
            said = str(error).strip().splitlines()
            raise LakeError(
                f"The lake {self.lake.root} cannot be read ({said[0] if said else type(error).__name__}): "
                "check that it is there and that this program may read it."
            ) from error


def table(alerts: list[alerting.Alert]) -> pd.DataFrame:
    """A row an alert: country, when, its highest rate (percent), aircraft, reasons, and the window's state."""
    return pd.DataFrame(
        [
            {
                "Country": alert_words.country(one.country),
                "UTC": alert_words.span(one.since, one.until),
                "Highest rate, %": 100 * float(one.peak["anomaly_rate"]),
                "Anomalous": int(one.peak["anomalous_aircraft"]),
                "Aircraft": int(one.peak["aircraft"]),
                "Reasons": alert_words.main_reasons(one),
                "Last window": one.windows["state"].iloc[-1],
            }
            for one in alerts
        ]
    )


def changes(view: View) -> dict[str, float | None]:
    """How much each of `FIGURES` changed since the minute before; None where either is missing."""
    if view.headline is None:
        return dict.fromkeys(FIGURES)
    minute = pd.Timestamp(view.headline.window_start)
    both = view.minutes.join(view.trend).reindex([minute - MINUTE, minute])
    found = {name: both[name].diff().iloc[-1] for name in FIGURES}
    return {name: None if pd.isna(change) else float(change) for name, change in found.items()}


def caption(view: View, back: timedelta) -> str:
    """Which minute the figures are of, and how the windows of the range stand."""
    if view.headline is None:
        return "No full minute was sampled yet."
    start = view.headline.window_start
    states = view.minutes["state"]
    counted = view.within(back)["state"].value_counts()
    told = ", ".join(f"{count} {state}" for state, count in counted.items())
    return (
        f"Minute {start:%H:%M} UTC, {alert_words.STATES[states[pd.Timestamp(start)]]}. Minutes of this range: {told}."
    )
