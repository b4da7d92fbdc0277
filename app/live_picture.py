"""What the Live tab shows of a snapshot, worked out once for all sessions that look at it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from live_figures import ROOM, minutes_columns, phases_columns
from passports import PASSPORTS, Passport
from snapshot import Snapshot
from view_state import RANGES

from pipeline.tables import PHASES

HALF_A_MINUTE = pd.Timedelta(seconds=30)
MOST = 2 * len(RANGES)  # what sessions may still look at while the next snapshot comes


@dataclass(frozen=True)
class TilePicture:
    """A headline figure, how it moved, and the ends of its line's axis; None without a known minute."""

    value: str
    moved: str
    up: tuple[float, float] | None


@dataclass(frozen=True)
class TrendsPicture:
    """The last hour of all headline figures: columns of `trends_source`, the time axis' ends."""

    columns: dict[str, Any]
    across: tuple[Any, Any]


@dataclass(frozen=True)
class PhasesPicture:
    """The last full minute: columns of `phases_source`, the bars' end in aircraft, and the same in words."""

    columns: dict[str, Any]
    most: float
    summary: str


@dataclass(frozen=True)
class MinutesPicture:
    """The chosen range: columns of `minutes_source`, the time axis' ends, the top in aircraft."""

    columns: dict[str, Any]
    across: tuple[Any, Any]
    top: float


@lru_cache(maxsize=2)
def tiles_of(snapshot: Snapshot) -> dict[str, TilePicture]:
    """Each headline figure by its name."""
    return {passport.name: _tile(snapshot, passport) for passport in PASSPORTS}


@lru_cache(maxsize=2)
def trends_of(snapshot: Snapshot) -> TrendsPicture:
    """The lines of all headline figures: they have their minutes in common. Needs a minute."""
    minutes = snapshot.minutes.index[-len(snapshot.trend) :]
    lines = {
        passport.name: (passport.scale * _trend(snapshot, passport)).reindex(minutes).to_numpy(np.float32)
        for passport in PASSPORTS
    }
    return TrendsPicture({"minute": minutes.tz_localize(None).to_numpy(), **lines}, (minutes[0], minutes[-1]))


@lru_cache(maxsize=2)
def phases_of(snapshot: Snapshot) -> PhasesPicture:
    """The phases of the last full minute; those of a snapshot without one are missing."""
    headline = snapshot.headline
    if headline is None or headline.window_start not in snapshot.minutes.index:
        return PhasesPicture(phases_columns(np.full(len(PHASES), np.nan)), ROOM, "No full minute was sampled yet.")
    aircraft = snapshot.minutes.loc[headline.window_start, list(PHASES)].to_numpy(np.float64)
    columns = phases_columns(aircraft)
    told = [f"{phase.title()} {words}" for phase, words in zip(PHASES, columns["text"], strict=True)]
    return PhasesPicture(columns, ROOM * max(1.0, float(columns["aircraft"].max())), ", ".join(told) + ".")


@lru_cache(maxsize=MOST)
def minutes_of(snapshot: Snapshot, chosen: str) -> MinutesPicture:
    """The last minutes of a range of the view state."""
    minutes = snapshot.minutes.iloc[-RANGES[chosen] :]
    across = (minutes.index[0] - HALF_A_MINUTE, minutes.index[-1] + HALF_A_MINUTE)
    return MinutesPicture(
        minutes_columns(minutes), across, ROOM * max(1.0, float(minutes[list(PHASES)].sum(axis=1).max()))
    )


def _tile(snapshot: Snapshot, passport: Passport) -> TilePicture:
    value = None if snapshot.headline is None else passport.value(snapshot.headline)
    series = _trend(snapshot, passport)
    words, how = passport.words(value), moved(series, value)
    if not series.notna().any():
        return TilePicture(words, how, None)
    low, high = passport.scale * series.min(), passport.scale * series.max()
    room = 0.1 * (high - low) or 1.0
    return TilePicture(words, how, (low - room, high + room))


def drawn_alike(one: TrendsPicture, other: TrendsPicture | None) -> bool:
    """Whether both have the same lines: what is drawn already need not be sent again."""
    if one is other or other is None:
        return one is other
    return all(np.array_equal(values, other.columns[name], equal_nan=True) for name, values in one.columns.items())


@lru_cache(maxsize=2 * len(PASSPORTS))
def _trend(snapshot: Snapshot, passport: Passport) -> pd.Series[float]:
    """A figure in each full minute of the last hour; NaN where it is missing or the minute is still running."""
    for frame in (snapshot.trend, snapshot.minutes):
        if passport.trend in frame:
            hour = snapshot.minutes.iloc[-len(snapshot.trend) :]
            series: pd.Series[float] = frame[passport.trend].reindex(hour.index)
            return series.where(~hour["state"].isin(["running", "not sampled"]))
    return pd.Series(dtype=float)


def moved(series: pd.Series[float], value: float | None) -> str:
    """How a figure moved since the earliest minute of the hour in which it is known."""
    known = series.dropna()
    if value is None or len(known) < 2:
        return "no trend yet"
    first, since = float(known.iloc[0]), known.index[0]
    if first == 0:
        return f"was 0 at {since:%H:%M} UTC"
    return f"{(value - first) / first:+.1%} since {since:%H:%M} UTC"


def caption(snapshot: Snapshot) -> str:
    """Which minute the figures are of."""
    if snapshot.headline is None:
        return "Waiting for the first full minute." if snapshot.newest else "Waiting for the first observations."
    start = snapshot.headline.window_start
    state = snapshot.minutes["state"].get(start, "")
    return f"Minute {start:%H:%M}–{start + pd.Timedelta(minutes=1):%H:%M} UTC, the last full one; {state}."
