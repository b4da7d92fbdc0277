"""What is known of one aircraft, in words and units: rows of `flights_ml` to text. What is missing is a dash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

import pandas as pd
from packed_sky import EMERGENCIES

from pipeline.anomalies import Limits
from pipeline.status_words import age_words

MOST_LINES = 20
# OpenSky's aircraft categories, as its API documents them.
CATEGORIES = (
    "no information",
    "no category sent",
    "light, under 7 t",
    "small, 7 to 34 t",
    "large, 34 to 136 t",
    "high vortex, as a Boeing 757",
    "heavy, over 136 t",
    "high performance, over 5 g and 740 km/h",
    "rotorcraft",
    "glider",
    "lighter than air",
    "parachutist",
    "ultralight, hang-glider or paraglider",
    "reserved",
    "unmanned",
    "space vehicle",
    "emergency vehicle on the ground",
    "service vehicle on the ground",
    "point obstacle",
    "cluster obstacle",
    "line obstacle",
)
REASONS: dict[str, tuple[str, str, Callable[[Any], float]]] = {
    "altitude_high": ("altitude above the limit", "m", lambda row: row.altitude_meters),
    "altitude_low": ("altitude below the limit", "m", lambda row: row.altitude_meters),
    "speed_high": ("speed above the limit", "km/h", lambda row: row.velocity_kmh),
    "speed_low": ("speed below the limit", "km/h", lambda row: row.velocity_kmh),
    "vertical_rate": ("climbs or sinks faster than the limit", "m/s", lambda row: abs(row.vertical_rate)),
    "altitude_mismatch": (
        "barometric and geometric altitude apart",
        "m",
        lambda row: abs(row.geo_altitude_meters - row.altitude_meters),
    ),
}


def measure(value: Any, unit: str, digits: int = 0) -> str:
    """A quantity with its unit; a dash where it is missing."""
    return "–" if pd.isna(value) else f"{value:,.{digits}f} {unit}"


def text(value: Any) -> str:
    """A text; a dash where it is missing or empty."""
    return "–" if value is None or pd.isna(value) or value == "" else str(value)


def identity(row: Any) -> dict[str, str]:
    """Who it is."""
    return {
        "icao24": text(row["icao24"]),
        "Callsign": text(row["callsign"]),
        "Registered in": text(row["origin_country"]),
        "Category": category(row["category"]),
    }


def category(code: Any) -> str:
    """A category in words; its number where OpenSky documents none."""
    if pd.isna(code):
        return "–"
    return CATEGORIES[int(code)] if 0 <= code < len(CATEGORIES) else f"{int(code)}, which is not documented"


def latest_report(row: Any, now: datetime) -> dict[str, str]:
    """Its latest report, the age of it first."""
    moment = row["event_timestamp"]
    age = max(0.0, (now - moment).total_seconds())
    vertical = row["vertical_rate"]
    return {
        "Latest report": f"{moment:%H:%M:%S} UTC, {age_words(age)} old",
        "Phase": text(row["flight_phase"]).capitalize(),
        "Altitude": f"{measure(row['altitude_meters'], 'm')} barometric, {measure(row['geo_altitude_meters'], 'm')} geometric",
        "Ground speed": measure(row["velocity_kmh"], "km/h"),
        "Vertical rate": "–" if pd.isna(vertical) else f"{vertical:+.1f} m/s",
        "Track": "–" if pd.isna(row["true_track"]) else f"{row['true_track']:.0f}° from north",
        "Position": position(row["latitude"], row["longitude"]),
        "On the ground": "–" if pd.isna(row["on_ground"]) else "yes" if row["on_ground"] else "no",
        "Squawk": squawk(row["squawk"]),
    }


def position(latitude: Any, longitude: Any) -> str:
    """A position in degrees; a dash where it is missing."""
    if pd.isna(latitude) or pd.isna(longitude):
        return "–"
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.3f}° {north}, {abs(longitude):.3f}° {east}"


def squawk(code: Any) -> str:
    """A transponder code, with what it means where it is an emergency's."""
    told = text(code)
    return f"{told}, {EMERGENCIES[told]}" if told in EMERGENCIES else told


def anomaly_lines(rows: pd.DataFrame, limits: Limits) -> str:
    """A list of what was anomalous, the newest first; a sentence when nothing was."""
    told = [f"<li>{escape(spell_words(spell, limits))}</li>" for spell in reversed(spells(rows))]
    if not told:
        return f"None against the {limits.name} limits."
    more = f"<li>and {len(told) - MOST_LINES:,} earlier ones</li>" if len(told) > MOST_LINES else ""
    return f"<ul>{''.join(told[:MOST_LINES])}{more}</ul>"


@dataclass(frozen=True)
class Spell:
    """Reports in a row that are anomalous for one reason, and the one of them that is furthest from the usual."""

    reason: str
    first: datetime
    last: datetime
    reports: int
    worst: Any


def spells(rows: pd.DataFrame) -> list[Spell]:
    """All spells by their beginning; a report without the reason ends one."""
    found: list[Spell] = []
    open_now: dict[str, list[Any]] = {}
    for row, given in zip(rows.itertuples(), rows["anomalies"].tolist(), strict=True):
        reasons: list[str] = [] if given is None else list(given)
        for ended in set(open_now) - set(reasons):
            found.append(spell(ended, open_now.pop(ended)))
        for reason in reasons:
            open_now.setdefault(reason, []).append(row)
    found += [spell(reason, reports) for reason, reports in open_now.items()]
    return sorted(found, key=lambda one: (one.last, one.first))


def spell(reason: str, reports: list[Any]) -> Spell:
    """The spell of these reports."""
    furthest = min if reason in ("altitude_low", "speed_low") else max
    worst = furthest(reports, key=REASONS[reason][2]) if reason in REASONS else reports[-1]
    return Spell(reason, reports[0].event_timestamp, reports[-1].event_timestamp, len(reports), worst)


def spell_words(spell: Spell, limits: Limits) -> str:
    """When, what, the value and the limit it broke; of several reports the value that is furthest from it."""
    words = reason_words(spell.reason, spell.worst, limits)
    if spell.reports == 1:
        return f"{spell.first:%H:%M:%S} UTC: {words}"
    return f"{spell.first:%H:%M:%S} to {spell.last:%H:%M:%S} UTC, {spell.reports:,} reports: {words}"


def reason_words(reason: str, row: Any, limits: Limits) -> str:
    """One reason with its value and limit."""
    if reason not in REASONS:
        return f"emergency squawk {squawk(row.squawk)}" if reason == "emergency_squawk" else reason
    words, unit, value = REASONS[reason]
    bound = limits.of(reason)
    against = "not checked by the limits of now" if bound is None else f"limit {measure(bound, unit)}"
    return f"{words}: {measure(value(row), unit)}, {against}"
