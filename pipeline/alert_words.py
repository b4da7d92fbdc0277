"""Anomalies in words: reasons, values against limits with their units, countries, windows and their states."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from pipeline.alerting import Alert, counts

REASONS = {
    "altitude_high": "too high",
    "altitude_low": "too low",
    "speed_high": "too fast",
    "speed_low": "negative speed",
    "vertical_rate": "climbs or sinks too fast",
    "altitude_mismatch": "altitudes disagree",
    "emergency_squawk": "emergency code",
}
QUANTITIES = {
    "altitude_high": ("barometric altitude", "m"),
    "altitude_low": ("barometric altitude", "m"),
    "speed_high": ("ground speed", "km/h"),
    "speed_low": ("ground speed", "km/h"),
    "vertical_rate": ("vertical rate", "m/s"),
    "altitude_mismatch": ("geometric less barometric altitude", "m"),
}
SIGNS = {"altitude_high": "above", "speed_high": "above", "altitude_low": "below", "speed_low": "below"}
EMERGENCIES = {7500: "unlawful interference", 7600: "radio failure", 7700: "general emergency"}
STATES = {
    "running": "still running: not all of it has been reported",
    "provisional": "provisional: reports up to 10 minutes late may still change it",
    "final": "final",
    "revised": "revised: late reports changed it after it could have been taken for final",
    "not sampled": "not sampled: no answer was asked for while it lasted, this is what late reports say of it",
}


def country(name: str) -> str:
    """A country of registration; Gold's is empty outside known blocks of addresses."""
    return name or "unknown country"


def span(since: datetime, until: datetime) -> str:
    """Two moments in UTC, with the date where they are not of the same day."""
    if since.date() != until.date():
        return f"{since:%m-%d %H:%M}–{until:%m-%d %H:%M}"
    return f"{since:%H:%M}–{until:%H:%M}"


def percent(rate: float) -> str:
    """A rate from 0 to 1 as percent, with as many digits as it has to say."""
    return f"{100 * rate:.0f} %" if rate >= 0.1 or rate == 0 else f"{100 * rate:.1f} %"


def share(row: pd.Series) -> str:
    """A window's anomaly rate with the aircraft behind it."""
    return f"{percent(row['anomaly_rate'])}, {row['anomalous_aircraft']:,} of {row['aircraft']:,}"


def main_reasons(alert: Alert) -> str:
    """The two most frequent reasons of an alert's peak."""
    found = [REASONS[reason] for reason in counts(alert.peak)]
    return ", ".join(found[:2]) + (f" and {len(found) - 2} more" if len(found) > 2 else "")


def minutes(alert: Alert) -> int:
    """How long an alert lasted, from the start of its first window to the end of its last."""
    return int((alert.until - alert.since).total_seconds() // 60)


def headline(alert: Alert, *, ongoing: bool) -> str:
    """An alert in one line."""
    end = "and still is" if ongoing else f"until {alert.until:%H:%M}"
    return (
        f"{country(alert.country)}: since {alert.since:%H:%M} {end} (UTC), peak {percent(alert.peak['anomaly_rate'])}"
    )


def window(row: pd.Series) -> str:
    """One window of a country in a sentence."""
    anomalous, aircraft = int(row["anomalous_aircraft"]), int(row["aircraft"])
    return (
        f"In {span(row['window_start'], row['window_end'])} UTC {anomalous:,} of {aircraft:,} aircraft "
        f"{'was' if anomalous == 1 else 'were'} anomalous ({percent(row['anomaly_rate'])}), by {int(row['observations']):,} "
        f"observations. The window is {STATES[row['state']]}."
    )


def reason_counts(row: pd.Series) -> str:
    """How many observations of a window had each reason."""
    told = [f"{REASONS[reason]} {count:,}" for reason, count in counts(row).items()]
    return f"Observations by reason: {', '.join(told)}." if told else "No observation of this window has a reason."


def value_against_limit(example: dict[str, Any]) -> str:
    """Why one aircraft is an example: the value it reported and the limit it broke."""
    reason, value, limit = example["reason"], example["value"], example["limit"]
    words = REASONS.get(reason, reason)
    if reason == "emergency_squawk":
        meaning = EMERGENCIES.get(int(value), "") if value is not None else ""
        code = "–" if value is None else f"{int(value):04d}"
        return f"{words} {code}{f' ({meaning})' if meaning else ''}, reported twice in a row in the air"
    name, unit = QUANTITIES[reason]
    told = "–" if value is None else f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:,.1f} {unit}"
    if limit is None:
        return f"{words}: {name} {told}"
    sign = SIGNS.get(reason)
    return f"{words}: {name} {told}, allowed is {f'nothing {sign}' if sign else 'up to'} {bound(reason, limit)}"


def bound(reason: str, limit: float) -> str:
    """A limit with its unit; a limit on the size of a value holds both ways."""
    _, unit = QUANTITIES[reason]
    return f"{'' if reason in SIGNS else '±'}{limit:,.0f} {unit}"
