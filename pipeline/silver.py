"""Silver: messages become observations, or go to quarantine with a reason; nothing is dropped in between."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

KMH_PER_MS = 3.6
FUTURE_SECONDS = 60
LAST_SECOND = 4_102_444_800  # 2100-01-01: a later time is a broken clock, or milliseconds
LARGEST = 1e7  # no quantity of a state vector reaches it in its unit; below it sums of thousandths are exact

TEXTS = ("icao24", "callsign", "origin_country", "squawk")
FLOATS = ("longitude", "latitude", "baro_altitude", "velocity", "true_track", "vertical_rate", "geo_altitude")
TIMES = ("time", "time_position", "last_contact")

# The message's fields: those of the API's state vector, the answer's `time` and the feed's name.
MESSAGE = ", ".join(
    [f"{name} STRING" for name in TEXTS]
    + [f"{name} DOUBLE" for name in FLOATS]
    + [f"{name} BIGINT" for name in TIMES]
    + ["on_ground BOOLEAN", "category INT", "_corrupt STRING"]
)
# Spark reads a number, an object or a list where a text is wanted as that text; this finds them in the raw message.
TEXT_THAT_IS_NONE = '"(' + "|".join(TEXTS) + r')"\s*:\s*[^"n\s]'


def flights(raw: DataFrame) -> DataFrame:
    """Rows of `bronze` that are observations, in the units of `flights_ml`, ready for `history`.

    Adds `address` (icao24 as a number), `time` (event time, s), `partition` and `offset` (their order).
    """
    return (
        judged(raw)
        .where(F.col("reason").isNull())
        .select(
            F.conv("m.icao24", 16, 10).cast("bigint").alias("address"),
            F.col("m.last_contact").alias("time"),
            "partition",
            "offset",
            F.translate("m.icao24", "ABCDEF", "abcdef").alias("icao24"),
            F.nullif(F.trim("m.callsign"), F.lit("")).alias("callsign"),
            F.coalesce("m.origin_country", F.lit("")).alias("origin_country"),
            "m.longitude",
            "m.latitude",
            (F.col("m.velocity") * KMH_PER_MS).alias("velocity_kmh"),
            F.col("m.baro_altitude").alias("altitude_meters"),
            F.col("m.geo_altitude").alias("geo_altitude_meters"),
            "m.vertical_rate",
            "m.true_track",
            F.col("m.on_ground").cast("tinyint").alias("on_ground"),
            "m.squawk",
            "m.category",
            F.col("m.time_position").alias("position_time"),
            F.col("m.time").alias("snapshot_time"),
            "kafka_timestamp",
        )
    )


def rejected(raw: DataFrame) -> DataFrame:
    """Rows of `bronze` that are no observation, each with its reason: the table `quarantine`."""
    return (
        judged(raw)
        .where(F.col("reason").isNotNull())
        .select("value", "reason", "topic", "partition", "offset", "kafka_timestamp", "ingest_date")
    )


def judged(raw: DataFrame) -> DataFrame:
    """Bronze with the message's fields as the struct `m`, and `reason`: why it is no observation, null when it is one.

    A field of the wrong type leaves the message's text in `m._corrupt`.
    """
    options = {
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": "_corrupt",
        "allowNonNumericNumbers": "false",
    }
    text = F.col("value").cast("string")
    return raw.select("*", text.alias("text"), F.from_json(text, MESSAGE, options).alias("m")).withColumn(
        "reason", _reason()
    )


def _reason() -> Column:
    text = F.col("text")
    return (
        F.when(text.isNull() | ~F.is_valid_utf8(text) | ~text.rlike(r"^\s*\{"), "not a JSON object")
        .when(F.col("m._corrupt").isNotNull() & F.get_json_object(text, "$").isNull(), "not a JSON object")
        .when(~F.coalesce(F.col("m.icao24").rlike("^[0-9a-fA-F]{6}$"), F.lit(False)), "icao24 is not 6 hex digits")
        .when(
            F.col("m._corrupt").isNotNull() | text.rlike(TEXT_THAT_IS_NONE) | _unmeasurable(),
            "a field of the wrong type",
        )
        .when(F.col("m.last_contact").isNull(), "last_contact is missing")
        .when(F.col("m.time").isNull(), "time is missing")
        .when(F.col("m.last_contact") > F.col("m.time") + FUTURE_SECONDS, "last_contact is after the answer's time")
        .when(F.abs("m.latitude") > 90, "latitude is outside the globe")
        .when(F.abs("m.longitude") > 180, "longitude is outside the globe")
    )


def _unmeasurable() -> Column:
    """Whether a number is none that a clock or an instrument can show."""
    wild = [~(F.abs(f"m.{name}") < LARGEST) for name in FLOATS] + [
        ~F.col(f"m.{name}").between(0, LAST_SECOND) for name in TIMES
    ]
    return reduce(lambda either, other: either | other, (F.coalesce(one, F.lit(False)) for one in wild))
