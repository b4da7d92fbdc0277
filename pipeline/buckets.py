"""The history step as Spark state: one blob a bucket of aircraft, so that a batch costs one vectorised step a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline import history
from pipeline.anomalies import Limits
from pipeline.errors import StreamError
from pipeline.tables import FLIGHTS_ML, PHASES, REASONS

STEP_COLUMNS = ", ".join(
    [
        "time BIGINT, icao24 STRING, callsign STRING, origin_country STRING, longitude DOUBLE, latitude DOUBLE",
        "velocity_kmh DOUBLE, altitude_meters DOUBLE, geo_altitude_meters DOUBLE, vertical_rate DOUBLE",
        "true_track DOUBLE, on_ground TINYINT, squawk STRING, category INT, position_time BIGINT",
        "snapshot_time BIGINT, kafka_timestamp TIMESTAMP, previous_time DOUBLE, prev_altitude DOUBLE",
        "prev_velocity DOUBLE, altitude_change DOUBLE, velocity_change DOUBLE, observation_rank BIGINT",
        "rolling_avg_altitude DOUBLE, rolling_std_altitude DOUBLE, rolling_avg_velocity DOUBLE, phase BIGINT",
        "previous_phase_time DOUBLE, anomaly_bits BIGINT, previous_anomaly_time DOUBLE",
    ]
)
NAMES = [column.split()[0] for column in STEP_COLUMNS.split(", ")]


def with_history(limits: Limits, buckets: int) -> Callable[[DataFrame], DataFrame]:
    """A function from `silver.flights` to the rows of `flights_ml`; `buckets` is fixed for a checkpoint's life."""

    def step(key: Any, batches: Iterator[pd.DataFrame], state: Any) -> Iterator[pd.DataFrame]:
        before = _kept(state.get, buckets) if state.exists else history.NOBODY
        after, flights = history.advance(before, pd.concat(list(batches), ignore_index=True), limits)
        state.update((history.dump(after), buckets))
        yield flights[NAMES]

    def apply(flights: DataFrame) -> DataFrame:
        bucketed = flights.withColumn("bucket", F.expr(f"pmod(hash(icao24), {buckets})"))
        stepped = bucketed.groupBy("bucket").applyInPandasWithState(
            step, STEP_COLUMNS, "blob BINARY, buckets INT", "append", "NoTimeout"
        )
        return stepped.select(*_columns())

    return apply


def _kept(state: tuple[Any, ...], buckets: int) -> history.State:
    """A bucket's state, unless it was spread over another number of buckets: its aircraft would be looked for in vain."""
    blob, spread_over = state
    if spread_over != buckets:
        raise StreamError(
            f"CONTRAIL_STATE_BUCKETS is {buckets}, but this lake's history is spread over {spread_over}: set it back to that."
        )
    return history.load(blob)


def _columns() -> list[Any]:
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
        "ingest_timestamp": F.col("kafka_timestamp"),
        "flight_phase": F.element_at(F.array(*map(F.lit, PHASES)), (F.col("phase") + 1).cast("int")),
        "anomalies": F.array_compact(F.array(*(F.when(_bit(place), name) for place, name in enumerate(REASONS)))),
        "date": F.to_date(F.timestamp_seconds("time")),
    } | {name: F.timestamp_seconds(seconds) for name, seconds in moment.items()}
    return [made.get(column.name, F.col(column.name)).alias(column.name) for column in FLIGHTS_ML.columns]


def _bit(place: int) -> Any:
    return F.col("anomaly_bits").bitwiseAND(1 << place) != 0
