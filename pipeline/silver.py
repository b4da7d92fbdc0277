"""Silver: messages become observations with their aircraft's history, or go to quarantine with a reason.

A bucket of aircraft is one Python step a batch: the raw messages go in, rows of `flights_ml` come out, and Spark keeps one
blob of state a bucket.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from pipeline import history, messages
from pipeline.anomalies import Limits
from pipeline.errors import StreamError
from pipeline.tables import FLIGHTS_ML, PHASES, REASONS

STEP_COLUMNS = ", ".join(
    [
        "time BIGINT, icao24 STRING, callsign STRING, origin_country STRING, longitude DOUBLE, latitude DOUBLE",
        "velocity_kmh DOUBLE, altitude_meters DOUBLE, geo_altitude_meters DOUBLE, vertical_rate DOUBLE",
        "true_track DOUBLE, on_ground DOUBLE, squawk STRING, category DOUBLE, position_time DOUBLE",
        "snapshot_time BIGINT, kafka_timestamp TIMESTAMP, previous_time DOUBLE, prev_altitude DOUBLE",
        "prev_velocity DOUBLE, altitude_change DOUBLE, velocity_change DOUBLE, observation_rank BIGINT",
        "rolling_avg_altitude DOUBLE, rolling_std_altitude DOUBLE, rolling_avg_velocity DOUBLE, phase BIGINT",
        "previous_phase_time DOUBLE, anomaly_bits BIGINT, previous_anomaly_time DOUBLE",
    ]
)
NAMES = [column.split()[0] for column in STEP_COLUMNS.split(", ")]
OPENING = messages.OPENING.decode()


def flights(limits: Limits, buckets: int) -> Callable[[DataFrame], DataFrame]:
    """A function from Bronze to the rows of `flights_ml`; `buckets` is fixed for a checkpoint's life."""

    def step(_: Any, batches: Iterator[pd.DataFrame], state: Any) -> Iterator[pd.DataFrame]:
        before = _kept(state.get, buckets) if state.exists else history.NOBODY
        raw = pd.concat(list(batches), ignore_index=True)
        heard = raw["kafka_timestamp"].max().timestamp()
        after, rows = history.advance(before, _observed(raw), limits, heard)
        state.update((history.dump(after), buckets))
        yield rows[NAMES]

    def apply(raw: DataFrame) -> DataFrame:
        spread = raw.select("value", "partition", "offset", "kafka_timestamp", bucket(buckets).alias("bucket"))
        stepped = spread.groupBy("bucket").applyInPandasWithState(
            step, STEP_COLUMNS, "blob BINARY, buckets INT", "append", "NoTimeout"
        )
        return stepped.select(*_columns())

    return apply


def rejected(raw: DataFrame) -> DataFrame:
    """Rows of Bronze that are no observation, each with its reason: the table `quarantine`."""

    def judge(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            reasons = pa.array(messages.reasons(batch.column("value").to_pylist()), pa.string())
            judged = pa.Table.from_batches([batch]).append_column("reason", reasons)
            yield from judged.filter(reasons.is_valid()).to_batches()

    columns = ["value", "topic", "partition", "offset", "kafka_timestamp", "ingest_date"]
    chosen = raw.select(*columns)
    found = chosen.mapInArrow(judge, StructType([*chosen.schema.fields, StructField("reason", StringType())]))
    return found.select("value", "reason", *columns[1:])


def bucket(buckets: int) -> Column:
    """The bucket of a message: of its address in lower case, which Contrail's producer writes first."""
    text = F.col("value").cast("string")
    first = F.when(text.startswith(OPENING), F.substring(text, len(OPENING) + 1, 6))
    address = F.coalesce(first, F.get_json_object(text, "$.icao24"), F.lit(""))
    return F.pmod(F.hash(F.translate(address, "ABCDEF", "abcdef")), F.lit(buckets))


def _observed(raw: pd.DataFrame) -> pd.DataFrame:
    """The observations among raw messages, with their place in Kafka."""
    kept, found = messages.observations(raw["value"].tolist())
    return found.assign(**{name: raw[name].array[kept] for name in ("partition", "offset", "kafka_timestamp")})


def _kept(state: tuple[Any, ...], buckets: int) -> history.State:
    """A bucket's state, unless it was spread over another number of buckets: its aircraft would be looked for in vain."""
    blob, spread_over = state
    if spread_over != buckets:
        raise StreamError(
            f"CONTRAIL_STATE_BUCKETS is {buckets}, but this lake's history is spread over {spread_over}: set it back to that."
        )
    return history.load(blob)


def _columns() -> list[Column]:
    """The step's rows as columns of `flights_ml`, in its order."""
    moment = {
        "event_timestamp": "time",
        "position_timestamp": "position_time",
        "snapshot_timestamp": "snapshot_time",
        "previous_timestamp": "previous_time",
        "previous_phase_timestamp": "previous_phase_time",
        "previous_anomaly_timestamp": "previous_anomaly_time",
    }
    made = {
        "on_ground": F.col("on_ground") == 1,
        "category": F.col("category").cast("int"),
        "ingest_timestamp": F.col("kafka_timestamp"),
        "flight_phase": F.element_at(F.array(*map(F.lit, PHASES)), (F.col("phase") + 1).cast("int")),
        # One constant: 128 arrays of literals were half of the planning that Spark does anew for each batch.
        "anomalies": F.element_at(
            F.from_json(F.lit(json.dumps(_reasons())), "array<array<string>>"), (F.col("anomaly_bits") + 1).cast("int")
        ),
        "date": F.to_date(F.timestamp_seconds("time")),
    } | {name: F.timestamp_seconds(seconds) for name, seconds in moment.items()}
    return [made.get(column.name, F.col(column.name)).alias(column.name) for column in FLIGHTS_ML.columns]


def _reasons() -> list[list[str]]:
    """The reasons that each number of anomaly bits stands for."""
    return [[name for place, name in enumerate(REASONS) if bits >> place & 1] for bits in range(2 ** len(REASONS))]
