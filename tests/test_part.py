"""A part's query is ended in order: after the batch in hand, however much there is left to take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession

from pipeline.drill.processes import wait_until
from pipeline.part import Part


def slowly(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    time.sleep(0.3)
    yield from batches


def finished(checkpoint: Path) -> int:
    """How many batches a stream has finished."""
    return len([file for file in (checkpoint / "commits").glob("*") if file.name.isdigit()])


def test_a_stream_that_always_has_more_to_take_stops_after_the_batch_in_hand(spark: SparkSession, tmp_path: Path):
    endless = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 10).load().coalesce(1)
    batches = endless.mapInArrow(slowly, endless.schema).writeStream.format("noop")
    part, place = Part("bronze", optional=False), tmp_path / "checkpoint"
    part.run(batches.option("checkpointLocation", str(place)).start())
    query = part.query
    assert query is not None
    wait_until(lambda: finished(place) >= 2, 60, "a few batches")
    asked_at: list[int] = []
    part.stop_query(lambda: asked_at.append(finished(place)))
    assert not query.isActive
    assert finished(place) - asked_at[0] <= 2  # the batch in hand, and at most one that ended while it was asked
    assert part.status.state == "stopping"
