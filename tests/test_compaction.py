"""Which files go together, and that streams and the order of a table's files do not notice."""

from __future__ import annotations

from datetime import date

from pipeline import compaction
from pipeline.compaction import File, runs
from pipeline.serving import Reader
from pipeline.tables import FLIGHT_PHASE_COUNTS, FLIGHTS_ML
from tests.small_lake import flight, phase, put

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)


def small(*names: str, at: int = 0, partition: date = MONDAY, size: int = 10) -> list[File]:
    return [File(name, size, at + place, partition) for place, name in enumerate(names)]


def paths(found) -> list[str]:
    return ["".join(file.path for file in run) for run in found]


def test_neighbours_go_together_up_to_the_target():
    assert paths(runs(small(*"abcdefgh"), target=40, least=2)) == ["abcd", "efgh"]
    assert paths(runs(small(*"abcdefg"), target=40, least=4)) == ["abcd"]


def test_a_large_file_is_left_alone_and_parts_its_neighbours():
    ordered = [*small(*"ab"), File("L", 50, 5, MONDAY), *small(*"cd", at=6)]
    assert paths(runs(ordered, target=40, least=2)) == ["ab", "cd"]


def test_files_of_two_dates_do_not_pass_each_other():
    ordered = [*small(*"ab"), *small("x", at=3, partition=TUESDAY), *small(*"cd", at=4)]
    assert paths(runs(ordered, target=40, least=2)) == ["ab", "cd"]


def test_files_of_one_millisecond_stay_together():
    ordered = [*small(*"abc"), File("d", 10, 9, MONDAY), File("e", 10, 9, MONDAY)]
    assert paths(runs(ordered, target=40, least=2)) == ["abc", "de"]
    mixed = [File("a", 10, 1, MONDAY), File("b", 10, 1, TUESDAY), *small(*"cd", at=2)]
    assert paths(runs(mixed, target=40, least=2)) == ["cd"]


def test_a_stream_does_not_read_compacted_rows_again_and_the_order_of_files_stays(spark, small_lake, tmp_path):
    for second in range(12):
        put(small_lake, FLIGHTS_ML, flight(second, "abc123"), flight(second, "00aa00"))
    rows = spark.readStream.format("delta").load(small_lake.path(FLIGHTS_ML))
    started = rows.writeStream.format("memory").queryName("seen").option("checkpointLocation", str(tmp_path / "seen"))
    query = started.start()
    query.processAllAvailable()
    last = compaction.files(small_lake.open(FLIGHTS_ML), "date")[-1]
    assert compaction.by_spark(spark, small_lake, FLIGHTS_ML) == (12, 1)
    (made,) = compaction.files(small_lake.open(FLIGHTS_ML), "date")
    assert made.modified_ms == last.modified_ms
    put(small_lake, FLIGHTS_ML, flight(99, "abc123"))
    query.processAllAvailable()
    query.stop()
    assert spark.sql("SELECT * FROM seen").count() == 25
    assert Reader(small_lake).one(FLIGHTS_ML, "count(*) AS n")["n"] == 25
    assert compaction.by_spark(spark, small_lake, FLIGHTS_ML) == (2, 2)


def test_a_table_of_gold_is_compacted_without_spark(small_lake):
    for minute in range(10):
        put(small_lake, FLIGHT_PHASE_COUNTS, phase(minute, "CLIMB", 3))
    assert compaction.by_delta_rs(small_lake.open(FLIGHT_PHASE_COUNTS)) == (10, 1)
    assert Reader(small_lake).one(FLIGHT_PHASE_COUNTS, "count(*) AS n, sum(aircraft) AS a") == {"n": 10, "a": 30}
    assert compaction.by_delta_rs(small_lake.open(FLIGHT_PHASE_COUNTS)) == (1, 1)
