"""What each headline figure means: its definition, window, formula and table, so that nobody has to ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.serving import ALERT_WINDOW, MINUTE, Headline
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Table


@dataclass(frozen=True)
class Passport:
    """A headline figure; `trend` names its column in the snapshot's frames, `digits` how exactly it is shown."""

    name: str
    title: str
    unit: str
    digits: int
    scale: float
    trend: str
    definition: str
    window: str
    formula: str
    table: Table

    def words(self, value: float | None) -> str:
        """The figure with its unit; a dash when it is missing."""
        return "–" if value is None else f"{value * self.scale:,.{self.digits}f}{self.unit}"

    def value(self, headline: Headline) -> float | None:
        """This figure's value in a headline."""
        found: float | None = getattr(headline, self.name)
        return found

    def page(self, headline: Headline | None, version: int | None, newest: datetime | None) -> str:
        """The passport as Markdown, with the window and the version that the shown value comes from."""
        shown = "none yet" if headline is None else _window(headline, self.table)
        known = (
            "not read yet"
            if version is None or newest is None
            else f"version {version}, newest report {newest:%H:%M:%S} UTC"
        )
        return (
            f"{self.definition}\n\n"
            f"- **Window**: {self.window}\n- **Shown now**: {shown}\n- **Formula**: {self.formula}\n"
            f"- **Table**: `{self.table.path}`, {known}\n"
        )


def _window(headline: Headline, table: Table) -> str:
    end = headline.window_start + MINUTE
    start = end - ALERT_WINDOW if table is ANOMALY_ALERTS else headline.window_start
    return f"{start:%Y-%m-%d %H:%M} to {end:%H:%M} UTC"


LAST_MINUTE = "the last full minute of event time (UTC) in which an answer was asked for"

PASSPORTS = (
    Passport(
        "active_flights", "Active flights", "", 0, 1.0, "active",
        "Distinct aircraft that reported from the air. An aircraft counts once, however often it reports.",
        LAST_MINUTE, "count(distinct icao24) where not on_ground", FLIGHTS_ML,
    ),
    Passport(
        "mean_altitude_meters", "Mean altitude", " m", 0, 1.0, "altitude_meters",
        "Mean barometric altitude of all observations that have one, on the ground or in the air.",
        LAST_MINUTE, "sum(avg_altitude_meters × altitude_count) / sum(altitude_count) over the phases", FLIGHT_PHASE_COUNTS,
    ),
    Passport(
        "mean_velocity_kmh", "Mean ground speed", " km/h", 0, 1.0, "velocity_kmh",
        "Mean speed over ground of all observations that have one, on the ground or in the air.",
        LAST_MINUTE, "sum(avg_velocity_kmh × velocity_count) / sum(velocity_count) over the phases", FLIGHT_PHASE_COUNTS,
    ),
    Passport(
        "anomaly_rate", "Anomaly rate", " %", 2, 100.0, "anomaly_rate",
        "Share of aircraft with at least one anomaly among all aircraft that reported.",
        "five minutes that end with " + LAST_MINUTE, "sum(anomalous_aircraft) / sum(aircraft) over the countries",
        ANOMALY_ALERTS,
    ),
)  # fmt: skip
