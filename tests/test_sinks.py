"""What a stream writes into its table, and what the table tells of it: each batch once, whoever tries it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError

from pipeline import spark as engine
from pipeline.delta_commit import DeltaLog
from pipeline.graph import stages
from pipeline.late import Again
from pipeline.serving import Reader
from pipeline.sinks import Merge
from pipeline.tables import BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake
from tests.comparison import assert_tables_equal_oracle
from tests.small_lake import phase, put
from tests.test_graph import simulated, take_all


def test_a_batch_that_has_nothing_to_say_is_noted_once_and_changes_no_row(small_lake):
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 3))
    sink = Merge(FLIGHT_PHASE_COUNTS, ("window_start", "flight_phase"), Again(lambda rows: rows, 1))
    table, reader = small_lake.open(FLIGHT_PHASE_COUNTS), Reader(small_lake)
    before = reader.refresh(FLIGHT_PHASE_COUNTS)
    for batch in (7, 7, 3):
        sink._merge(table, FLIGHT_PHASE_COUNTS.schema.empty_table(), "stream", batch)
    assert reader.refresh(FLIGHT_PHASE_COUNTS) == before + 1
    assert reader.written(FLIGHT_PHASE_COUNTS, "stream") == 7
    assert reader.one(FLIGHT_PHASE_COUNTS, "count(*) AS n")["n"] == 1


def fed(spark, settings, lake, producer, begin: int, end: int) -> None:
    for answer in simulated(end)[begin:]:
        producer.send(answer, "simulator")
    take_all(spark, settings, lake, ["bronze", "silver"])


def forget_last_batch(lake: Lake, stream: str) -> None:
    """What a driver leaves that was killed between the commit of its table and its own note of it."""
    commits = Path(lake.checkpoint(stream), "commits")
    last = max(int(one.name) for one in commits.iterdir() if one.name.isdigit())
    for one in commits.glob(f"*{last}*"):
        one.unlink()


def test_a_batch_that_was_committed_before_its_driver_died_is_read_again_and_not_written_again(
    spark, settings, lake, producer
):
    fed(spark, settings, lake, producer, 0, 6)
    before = {table: lake.open(table).version() for table in (BRONZE, FLIGHTS_ML)}
    for stream in ("bronze", "silver"):
        forget_last_batch(lake, stream)
    take_all(spark, settings, lake, ["bronze", "silver"])
    assert {table: lake.open(table).version() for table in before} == before
    fed(spark, settings, lake, producer, 6, 9)  # Silver goes on from the state that it made again
    take_all(spark, settings, lake)
    assert_tables_equal_oracle(lake)


def test_the_batch_is_looked_for_without_a_job_and_by_one_where_the_checksum_is_gone(spark, settings, lake, producer):
    fed(spark, settings, lake, producer, 0, 3)
    query = json.loads(Path(lake.checkpoint("bronze"), "metadata").read_text())["id"]
    tracker, path = spark.sparkContext.statusTracker(), lake.path(BRONZE)

    def jobs_of_a_look() -> int:
        before = len(tracker.getJobIdsForGroup())
        spark.sparkContext._jsc.sc().clearJobGroup()
        assert DeltaLog(spark, path).begin().last_batch(query) == 0
        assert DeltaLog(spark, path).begin().last_batch("another") == -1
        return len(tracker.getJobIdsForGroup()) - before

    assert jobs_of_a_look() == 0
    for checksum in Path(path, "_delta_log").glob("*.crc"):
        checksum.unlink()
    engine.forget_tables(spark)
    assert jobs_of_a_look() > 0


def test_of_two_drivers_that_are_at_one_batch_the_second_does_not_write_it(spark, settings, lake, producer):
    fed(spark, settings, lake, producer, 0, 3)
    rows = spark.read.format("delta").load(lake.path(BRONZE))
    log = DeltaLog(spark, lake.path(BRONZE))
    first, second = log.begin(), log.begin()
    assert first.last_batch("query") == second.last_batch("query") == -1
    first.end([log.batch("query", 0), *first.files_of(rows)], log.update_of("query", 0))
    with pytest.raises(Py4JJavaError, match="ConcurrentTransaction"):
        second.end([log.batch("query", 0), *second.files_of(rows)], log.update_of("query", 0))
    assert log.begin().last_batch("query") == 0


def test_a_stream_tells_how_new_its_rows_are(spark, settings, lake, producer):
    producer.send(simulated(1)[0], "simulator")
    bronze = stages(settings)[0]
    query = engine.start(spark, bronze, lake, settings, settings.kafka, once=True)
    query.awaitTermination()
    newest = Reader(lake).one(BRONZE, "max(kafka_timestamp) AS at")["at"]
    assert query.lastProgress["observedMetrics"][engine.NEWEST]["at"] == f"{newest:%Y-%m-%d %H:%M:%S}"
    assert query.lastProgress["numInputRows"] == Reader(lake).one(BRONZE, "count(*) AS n")["n"]
