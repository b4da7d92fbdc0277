"""Windows that Gold has closed and Silver has added to since: a feed's clock may jump, and then rows come later than any watermark.

Spark drops a row that is later than its watermark. That is counted, so the batch that meets one computes those windows anew,
from all that Silver has, and merges them with its own: in one commit, as often as it is tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipeline.serving import Reader
from pipeline.tables import FLIGHTS_ML, Lake, Table

DROPPED = "numRowsDroppedByWatermark"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Again:
    """How windows are computed anew: by the same layer, from Silver; a window is so many minutes long."""

    layer: Callable[[DataFrame], DataFrame]
    minutes: int


def dropped(spark: SparkSession, query: str) -> int:
    """How many rows the batch in hand was too late for, once it was read; each counts for every window that it misses."""
    found = spark.streams.get(query)
    execution: Any = found._jsq.streamingQuery().lastExecution() if found is not None else None
    if execution is None:
        return 0
    metrics = (node.metrics().get(DROPPED) for node in _nodes(execution.executedPlan()))
    return next((int(metric.get().value()) for metric in metrics if metric.isDefined()), 0)


def windows(
    spark: SparkSession, lake: Lake, table: Table, again: Again, but: set[datetime], version: int | None
) -> pa.Table | None:
    """The rows of all windows that do not count what Silver has, computed anew; `but` are those that the batch brings itself.

    Silver as of the `version` at which the batch ends; as it is now where that is not known.
    """
    # A closed window is older than all that the batch still has in hand; what is newer may only not have been read yet.
    starts = [start for start in _differing(lake, table, again.minutes, version) if not but or start < min(but)]
    if not starts:
        return None
    minutes = sorted({start + number * MINUTE for start in starts for number in range(again.minutes)})
    as_of = {} if version is None else {"versionAsOf": str(version)}
    silver = spark.read.format("delta").options(**as_of).load(lake.path(FLIGHTS_ML))
    among = F.col("date").isin(sorted({minute.date() for minute in minutes}))
    among &= F.date_trunc("minute", "event_timestamp").isin(minutes)
    return again.layer(silver.where(among)).where(F.col("window_start").isin(starts)).toArrow()


def _differing(lake: Lake, table: Table, length: int, version: int | None) -> list[datetime]:
    """The beginnings of the windows whose observations are not as many as Silver's rows."""
    reader = Reader(lake)
    if version is not None:
        reader.load(FLIGHTS_ML, version)
    minute = "date_trunc('minute', event_timestamp)"
    told: Counter[datetime] = Counter()
    for row in reader.rows(FLIGHTS_ML, f"{minute} AS m, count(*) AS n", f"GROUP BY {minute}"):
        for back in range(length):
            told[row["m"] - back * MINUTE] += row["n"]
    held = reader.rows(table, "window_start AS w, sum(observations) AS n", "GROUP BY window_start")
    counted = {row["w"]: row["n"] for row in held}
    return sorted(start for start, rows in told.items() if counted.get(start) != rows)


def _nodes(plan: Any) -> Iterator[Any]:
    """A plan's steps from the last one on, each fetched by one call: the one that keeps the state is the third or fourth."""
    for number in count():
        node = plan.apply(number)
        if node is None:
            return
        yield node
