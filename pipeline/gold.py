"""Gold: flights per phase in each minute, and anomalies per country in sliding windows of five.

Sums are kept in whole thousandths: adding those is exact, so a figure does not depend on the order or the batch in which
observations came. An aircraft is counted at its first row in a window, which `history` tells from its previous one.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.anomalies import Limits
from pipeline.tables import REASONS

LATENESS = "10 minutes"
EXAMPLES = 5
THOUSANDTHS = 1000
SPLIT = 100_000


def flight_phase_counts(flights: DataFrame) -> DataFrame:
    """Aircraft per flight phase in each minute of event time: one row a window and phase."""
    return (
        flights.withWatermark("event_timestamp", LATENESS)
        .groupBy(F.window("event_timestamp", "1 minute"), "flight_phase")
        .agg(
            F.count("*").alias("observations"),
            F.count_if(first_in_window("previous_phase_timestamp")).alias("aircraft"),
            F.min("snapshot_timestamp").alias("first_snapshot_timestamp"),
            *sums("altitude_meters", "altitude"),
            *sums("velocity_kmh", "velocity"),
        )
        .select(
            *window_columns(),
            "flight_phase",
            "observations",
            "aircraft",
            mean("altitude").alias("avg_altitude_meters"),
            "altitude_count",
            mean("velocity").alias("avg_velocity_kmh"),
            "velocity_count",
            "first_snapshot_timestamp",
        )
    )


def anomaly_alerts(limits: Limits) -> Callable[[DataFrame], DataFrame]:
    """A function from Silver to the anomalies of each country in windows of five minutes, every minute.

    Every country that was observed in a window has its row, anomalous or not.
    """

    def alerts(flights: DataFrame) -> DataFrame:
        return (
            flights.withWatermark("event_timestamp", LATENESS)
            .select(
                "event_timestamp",
                "previous_timestamp",
                "previous_anomaly_timestamp",
                "origin_country",
                "altitude_meters",
                "velocity_kmh",
                "anomalies",
                "snapshot_timestamp",
                is_anomalous().alias("anomalous"),
                F.when(is_anomalous(), example(limits)).alias("example"),
            )
            .groupBy(F.window("event_timestamp", "5 minutes", "1 minute"), "origin_country")
            .agg(
                F.count("*").alias("observations"),
                F.count_if(first_in_window("previous_timestamp")).alias("aircraft"),
                F.count_if(first_anomaly()).alias("anomalous_aircraft"),
                *(F.count_if(F.col("anomalous") & F.array_contains("anomalies", one)).alias(one) for one in REASONS),
                *sums("altitude_meters", "altitude"),
                *spread("altitude_meters", "altitude"),
                *sums("velocity_kmh", "velocity"),
                *spread("velocity_kmh", "velocity"),
                F.collect_list(F.when(first_anomaly(), F.col("example"))).alias("examples"),
                F.min("snapshot_timestamp").alias("first_snapshot_timestamp"),
            )
            .select(
                *window_columns(),
                "origin_country",
                "observations",
                "aircraft",
                "anomalous_aircraft",
                (F.col("anomalous_aircraft") / F.col("aircraft")).alias("anomaly_rate"),
                *(_checked(limits, reason) for reason in REASONS),
                *figures("altitude", "altitude_meters"),
                *figures("velocity", "velocity_kmh"),
                _shown("examples"),
                "first_snapshot_timestamp",
            )
        )

    return alerts


def first_in_window(previous: str) -> Column:
    """Whether a row is its aircraft's first in the window, told by when it was seen before."""
    return F.col(previous).isNull() | (F.col(previous) < F.col("window.start"))


def first_anomaly() -> Column:
    """Whether a row is its aircraft's first anomalous one in the window."""
    return F.col("anomalous") & first_in_window("previous_anomaly_timestamp")


def is_anomalous() -> Column:
    """Whether a row of Silver has any anomaly."""
    return F.size("anomalies") > 0


def window_columns() -> list[Column]:
    """The window's bounds as columns of their own."""
    return [F.col("window.start").alias("window_start"), F.col("window.end").alias("window_end")]


def sums(quantity: str, name: str) -> list[Column]:
    """How many values there are, and their exact sum in thousandths."""
    return [
        F.count(quantity).alias(f"{name}_count"),
        F.sum(F.rint(F.col(quantity) * THOUSANDTHS)).alias(f"{name}_sum"),
    ]


def spread(quantity: str, name: str) -> list[Column]:
    """Least, greatest, and what the exact sum of squares is put together from.

    A whole number of thousandths is high * SPLIT + low. Sums of these parts' products fit into 64 bits, whose arithmetic costs
    a fraction of a decimal's.
    """
    whole = F.rint(F.col(quantity) * THOUSANDTHS).cast("bigint")
    low = F.pmod(whole, F.lit(SPLIT))
    high = (whole - low).cast("double") / SPLIT
    high = high.cast("bigint")
    return [
        F.min(quantity).alias(f"{name}_min"),
        F.max(quantity).alias(f"{name}_max"),
        F.sum(high * high).alias(f"{name}_squares_high"),
        F.sum(high * low).alias(f"{name}_squares_cross"),
        F.sum(low * low).alias(f"{name}_squares_low"),
    ]


def mean(name: str) -> Column:
    """The mean of a quantity from its exact sum; null without values."""
    return F.col(f"{name}_sum") / (F.col(f"{name}_count") * THOUSANDTHS)


def deviation(name: str) -> Column:
    """The standard deviation (n-1) of a quantity from its exact sums; null under two values."""
    count, total, high, cross, low = (
        F.col(f"{name}_{part}").cast(f"decimal({digits},0)")
        for part, digits in (
            ("count", 10),
            ("sum", 19),
            ("squares_high", 19),
            ("squares_cross", 19),
            ("squares_low", 19),
        )
    )
    split = F.lit(SPLIT).cast("decimal(6,0)")
    squares = ((high * split + cross + cross).cast("decimal(24,0)") * split + low).cast("decimal(28,0)")
    apart = (count * squares - total * total).cast("double")
    pairs = F.col(f"{name}_count") * (F.col(f"{name}_count") - 1)
    return F.when(F.col(f"{name}_count") > 1, F.sqrt(apart / pairs) / THOUSANDTHS)


def figures(name: str, quantity: str) -> list[Column]:
    """The table's columns about one quantity."""
    return [
        F.col(f"{name}_min").alias(f"min_{quantity}"),
        F.col(f"{name}_max").alias(f"max_{quantity}"),
        mean(name).alias(f"avg_{quantity}"),
        deviation(name).alias(f"stddev_{quantity}"),
        F.col(f"{name}_count"),
    ]


def example(limits: Limits) -> Column:
    """An anomalous row's gravest reason (the last of `REASONS`) with its value and the limit it broke."""
    reason = F.element_at("anomalies", -1)
    value, limit = F.lit(None).cast("double"), F.lit(None).cast("double")
    for name in REASONS:
        value = F.when(reason == name, VALUES[name]()).otherwise(value)
        bound = limits.of(name)
        limit = F.when(reason == name, F.lit(bound).cast("double")).otherwise(limit)
    return F.struct(
        F.when(reason == "emergency_squawk", 0).otherwise(1).alias("place"),
        "icao24",
        "callsign",
        reason.alias("reason"),
        value.alias("value"),
        limit.alias("limit"),
    )


VALUES: dict[str, Callable[[], Column]] = {
    "altitude_high": lambda: F.col("altitude_meters"),
    "altitude_low": lambda: F.col("altitude_meters"),
    "speed_high": lambda: F.col("velocity_kmh"),
    "speed_low": lambda: F.col("velocity_kmh"),
    "vertical_rate": lambda: F.col("vertical_rate"),
    "altitude_mismatch": lambda: F.col("geo_altitude_meters") - F.col("altitude_meters"),
    "emergency_squawk": lambda: F.col("squawk").cast("double"),
}


def _checked(limits: Limits, reason: str) -> Column:
    """The count of a reason; missing when these limits do not look for it."""
    count = F.col(reason) if limits.checks(reason) else F.lit(None).cast("bigint")
    return count.alias(f"{reason}_count")


def _shown(examples: str) -> Column:
    """The first few examples, emergencies before the rest, then by address."""
    shown = F.slice(F.sort_array(examples), 1, EXAMPLES)
    return F.transform(shown, lambda one: one.dropFields("place")).alias(examples)
