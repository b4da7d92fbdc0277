"""Gold's two windows on a few literal rows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline import gold
from pipeline.anomalies import LIMITS

COLUMNS = (
    "event_timestamp timestamp, snapshot_timestamp timestamp, icao24 string, callsign string, origin_country string, velocity_kmh double, "
    "altitude_meters double, geo_altitude_meters double, vertical_rate double, squawk string, flight_phase string, "
    "previous_timestamp timestamp, previous_phase_timestamp timestamp, anomalies array<string>, "
    "previous_anomaly_timestamp timestamp"
)


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-01T{clock}").replace(tzinfo=UTC)


def row(
    clock,
    icao24="abc123",
    phase="CRUISE",
    before=None,
    anomalies=(),
    anomalous_before=None,
    altitude=10_000.0,
    speed=900.0,
):
    before = before and at(before)
    anomalous_before = anomalous_before and at(anomalous_before)
    figures = (speed, altitude, altitude, 40.0, "7700")
    return (
        at(clock),
        at(clock),
        icao24,
        "SWR1",
        "Spain",
        *figures,
        phase,
        before,
        before,
        list(anomalies),
        anomalous_before,
    )


def counts(spark, *rows):
    frame = gold.flight_phase_counts(spark.createDataFrame(rows, COLUMNS))
    return {(one.window_start.strftime("%H:%M"), one.flight_phase): one for one in frame.collect()}


def alerts(spark, *rows, limits="expert"):
    frame = gold.anomaly_alerts(LIMITS[limits])(spark.createDataFrame(rows, COLUMNS))
    return {one.window_start.strftime("%H:%M"): one for one in frame.collect()}


def test_an_aircraft_seen_twice_in_a_minute_counts_once(spark):
    found = counts(spark, row("12:00:05"), row("12:00:20", before="12:00:05"), row("12:00:30", icao24="def456"))
    assert (found["12:00", "CRUISE"].observations, found["12:00", "CRUISE"].aircraft) == (3, 2)


def test_an_aircraft_counts_again_in_the_next_minute(spark):
    found = counts(spark, row("12:00:50"), row("12:01:00", before="12:00:50"))
    assert [found[minute, "CRUISE"].aircraft for minute in ("12:00", "12:01")] == [1, 1]


def test_a_mean_without_any_value_is_missing_and_never_zero(spark):
    found = counts(spark, row("12:00:05", altitude=None, speed=None))["12:00", "CRUISE"]
    assert (found.avg_altitude_meters, found.altitude_count, found.avg_velocity_kmh) == (None, 0, None)


def test_sums_do_not_depend_on_the_order_of_rows(spark):
    values = [0.1, 1e6, 0.2, -999_999.9, 0.3, 7.62, 1234.567] * 30
    rows = [row("12:00:05", icao24=f"{number:06x}", altitude=value, speed=value) for number, value in enumerate(values)]
    one, other = counts(spark, *rows), counts(spark, *reversed(rows))
    assert one == other


def test_every_country_has_a_row_in_each_of_its_five_windows(spark):
    found = alerts(spark, row("12:04:30"))
    assert sorted(found) == ["12:00", "12:01", "12:02", "12:03", "12:04"]
    assert {(one.aircraft, one.anomalous_aircraft, one.anomaly_rate) for one in found.values()} == {(1, 0, 0.0)}


def test_the_rate_is_anomalous_aircraft_among_aircraft(spark):
    found = alerts(
        spark,
        row("12:00:10", anomalies=["altitude_high"]),
        row("12:00:40", before="12:00:10", anomalies=["altitude_high"], anomalous_before="12:00:10"),
        row("12:00:30", icao24="def456"),
        row("12:00:45", icao24="def456", before="12:00:30"),
    )["12:00"]
    assert (found.aircraft, found.anomalous_aircraft, found.anomaly_rate) == (2, 1, 0.5)
    assert (found.altitude_high_count, found.vertical_rate_count) == (2, 0)


def test_a_reason_that_is_not_looked_for_is_missing_and_not_zero(spark):
    found = alerts(spark, row("12:00:10"), limits="seed")["12:00"]
    assert (found.vertical_rate_count, found.emergency_squawk_count, found.speed_low_count) == (None, None, 0)


def test_examples_show_value_and_limit_emergencies_first_and_five_at_most(spark):
    rows = [row("12:00:10", icao24=f"00000{n}", anomalies=["altitude_high"], altitude=14_000.0 + n) for n in range(7)]
    rows.append(row("12:00:10", icao24="ffffff", anomalies=["altitude_high", "emergency_squawk"]))
    shown = alerts(spark, *rows)["12:00"].examples
    assert [one.icao24 for one in shown] == ["ffffff", "000000", "000001", "000002", "000003"]
    assert (shown[0].reason, shown[0].value, shown[0].limit) == ("emergency_squawk", 7700.0, None)
    assert (shown[1].reason, shown[1].value, shown[1].limit) == ("altitude_high", 14_000.0, 13_716.0)


def test_standard_deviation_is_exact_where_values_are_close_together(spark):
    found = alerts(spark, row("12:00:10", altitude=10_000.0), row("12:00:11", icao24="def456", altitude=10_007.62))[
        "12:00"
    ]
    assert found.stddev_altitude_meters == pytest.approx(7.62 / 2**0.5, rel=1e-12)
    assert alerts(spark, row("12:00:10"))["12:00"].stddev_altitude_meters is None
