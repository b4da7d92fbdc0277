"""A stream that begins anew, on real Kafka, Spark and Delta: the tables are right afterwards, and after the way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import TopicPartition
from pyspark.errors import StreamingQueryException

from pipeline import ops, resets
from pipeline.audit import audit
from pipeline.broker import _admin, end_offsets
from pipeline.diagnosis import explain
from pipeline.errors import StreamError
from pipeline.graph import stages
from pipeline.kafka_security import Security
from pipeline.retention import LONGEST_STOP
from pipeline.serving import Reader
from pipeline.supervisor import Supervisor
from pipeline.tables import BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake
from tests.comparison import assert_tables_equal_oracle
from tests.small_lake import flight, phase, put
from tests.test_graph import simulated, take_all


def feed(producer, answers) -> None:
    for answer in answers:
        producer.send(answer, "simulator")


def assert_right(lake: Lake) -> None:
    assert_tables_equal_oracle(lake)
    assert audit(lake).settled


def test_a_reset_and_its_undoing_leave_the_tables_as_the_rules_say(spark, settings, lake, producer):
    answers = simulated(36)
    feed(producer, answers[:12])
    take_all(spark, settings, lake)
    resets.reset(lake, "silver")
    assert Reader(lake).one(FLIGHTS_ML, "count(*) AS n")["n"] == 0
    feed(producer, answers[12:24])
    take_all(spark, settings, lake)
    assert_right(lake)
    resets.undo(lake, "silver")
    feed(producer, answers[24:])
    take_all(spark, settings, lake)
    assert_right(lake)


@pytest.mark.parametrize("stream", ["bronze", "quarantine", "flight_phase_counts", "anomaly_alerts"])
def test_a_reset_stream_loses_and_repeats_nothing_and_neither_does_its_undoing(spark, settings, lake, producer, stream):
    answers = simulated(24)
    feed(producer, answers[:8])
    take_all(spark, settings, lake)
    resets.reset(lake, stream)
    if stream == "bronze":  # taken back before it went on, with its files put together meanwhile
        assert lake.open(BRONZE).optimize.compact()["numFilesRemoved"] > 1
        resets.undo(lake, stream)
        feed(producer, answers[8:12])
        take_all(spark, settings, lake)
        assert_right(lake)
        resets.reset(lake, stream)
    feed(producer, answers[12:16] if stream == "bronze" else answers[8:16])
    take_all(spark, settings, lake)
    assert_right(lake)
    if stream != "bronze":
        resets.undo(lake, stream)
    feed(producer, answers[16:])
    take_all(spark, settings, lake)
    assert_right(lake)


@pytest.mark.parametrize("verb", [resets.reset, resets.undo])
def test_a_driver_that_dies_while_it_empties_tables_finds_that_at_its_next_start(
    spark, settings, lake, producer, monkeypatch, verb
):
    answers = simulated(18)
    feed(producer, answers[:9])
    take_all(spark, settings, lake)
    if verb is resets.undo:
        resets.reset(lake, "silver")
        take_all(spark, settings, lake)
    emptied = []

    def dying(lake, table, version=None):
        if table is FLIGHT_PHASE_COUNTS and emptied:
            raise KeyboardInterrupt
        emptied.append(table)
        return opened(lake, table, version)

    opened = Lake.open
    plan = resets.plan(lake, "silver")  # it opens tables too
    monkeypatch.setattr(resets, "plan", lambda *_: plan)
    monkeypatch.setattr(resets, "_version", lambda lake, stream: int(opened(lake, resets.TABLES[stream]).version()))
    monkeypatch.setattr(Lake, "open", dying)
    with pytest.raises(KeyboardInterrupt):
        verb(lake, "silver")
    monkeypatch.undo()
    resets.finish(lake)
    feed(producer, answers[9:])
    take_all(spark, settings, lake)
    assert_right(lake)
    resets.finish(lake)
    assert_right(lake)


def test_a_reset_that_failed_halfway_is_finished_before_any_stream_goes_on(lake, settings, monkeypatch):
    put(lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 9))
    put(lake, FLIGHTS_ML, flight(0, "a"))
    opened = Lake.open

    def full(lake, table, version=None):
        if table is FLIGHTS_ML and version is None and Path(lake.root, "full").exists():
            raise OSError("No space left on device")
        return opened(lake, table, version)

    monkeypatch.setattr(Lake, "open", full)
    plan, at = resets.plan(lake, "silver"), resets._version(lake, "silver")
    monkeypatch.setattr(resets, "plan", lambda *_: plan)
    monkeypatch.setattr(resets, "_version", lambda *_: at)
    Path(lake.root, "full").touch()
    with pytest.raises(OSError, match="No space left"):
        resets.reset(lake, "silver")
    driver, (silver,) = Supervisor(settings), [stage for stage in stages(settings) if stage.name == "silver"]
    with pytest.raises(OSError, match="No space left"):
        driver._check(silver)
    Path(lake.root, "full").unlink()
    driver._check(silver)
    monkeypatch.undo()
    for table in (FLIGHTS_ML, FLIGHT_PHASE_COUNTS):
        assert Reader(lake).one(table, "count(*) AS n")["n"] == 0
    assert not resets.finish(lake)


def test_a_half_done_undoing_is_finished_before_another_stream_is_reset(lake, monkeypatch):
    put(lake, FLIGHTS_ML, flight(0, "a"))
    resets.reset(lake, "silver")
    put(lake, FLIGHTS_ML, flight(0, "a"), flight(1, "a"))
    with monkeypatch.context() as dying:
        dying.setattr(resets, "finish", lambda lake: False)
        resets.undo(lake, "silver")
    assert Reader(lake).one(FLIGHTS_ML, "count(*) AS n")["n"] == 2
    resets.reset(lake, "quarantine")
    assert Reader(lake).one(FLIGHTS_ML, "count(*) AS n")["n"] == 1, "the table is as its old checkpoint left it"


def test_messages_that_kafka_has_deleted_are_named_and_a_reset_goes_on_behind_them(spark, settings, lake, producer):
    answers = simulated(12)
    feed(producer, answers[:4])
    take_all(spark, settings, lake, ["bronze"])
    feed(producer, answers[4:8])
    with _admin(settings.kafka, Security()) as admin:
        ends = end_offsets(settings.kafka, settings.topic)
        admin.delete_records({TopicPartition(settings.topic, part): last for part, (_, last) in ends.items()})
    feed(producer, answers[8:])
    with pytest.raises(StreamingQueryException) as lost:
        take_all(spark, settings, lake, ["bronze"])
    cause, cure, again = explain(lost.value)
    assert cause == "Kafka no longer has messages that this stream has not read."
    assert "reset the stream" in cure
    assert not again
    resets.reset(lake, "bronze")
    take_all(spark, settings, lake)
    assert_tables_equal_oracle(lake)
    gap = audit(lake)
    assert [check.name for check in gap.checks if not check.holds] == ["bronze has every offset"]


def test_checkpoints_that_nothing_can_go_back_to_are_deleted(lake):
    for place in ("silver", "quarantine", "quarantine.1", "quarantine.2", "mine", "silver.old"):
        Path(lake.root, "checkpoints", place).mkdir(parents=True)
    resets.reset(lake, "quarantine")
    assert resets.forget(lake) == 1  # quarantine.2, which nobody has
    assert left(lake) == {"silver", "quarantine", "quarantine.1", "mine", "silver.old"}
    kept = ops.read(lake, ops.CHECKPOINTS)
    assert kept is not None
    kept["resets"]["quarantine"]["at"] = (datetime.now(UTC) - LONGEST_STOP - timedelta(minutes=1)).isoformat()
    ops.write(lake, ops.CHECKPOINTS, kept)
    assert resets.last(lake, "quarantine") is None
    with pytest.raises(StreamError, match="more than 2 days ago"):
        resets.undo(lake, "quarantine")
    assert resets.forget(lake) == 1
    assert left(lake) == {"silver", "quarantine.1", "mine", "silver.old"}


def left(lake: Lake) -> set[str]:
    return {path.name for path in Path(lake.root, "checkpoints").iterdir()}


def test_a_plan_says_what_will_be_computed_again(lake):
    assert resets.plan(lake, "silver").streams == (
        "silver", "flight_phase_counts", "anomaly_alerts", "phase_predictions",
    )  # fmt: skip
    assert "silver/flights_ml" in resets.plan(lake, "anomaly_alerts").words
    words, predictions = resets.plan(lake, "silver").words, "gold/predictions/flight_phase_live"
    assert predictions not in words.partition("computed again")[0]
    assert words.endswith(f"this can be undone, but for {predictions}.")
    assert "nothing is lost" in resets.plan(lake, "bronze").words
    with pytest.raises(StreamError, match="no stream 'gold'"):
        resets.plan(lake, "gold")


def test_nothing_can_be_taken_back_twice(lake):
    resets.reset(lake, "quarantine")
    assert resets.last(lake, "quarantine") is not None
    resets.undo(lake, "quarantine")
    with pytest.raises(StreamError, match="nothing to take back"):
        resets.undo(lake, "quarantine")


def test_nobody_resets_by_a_slip(settings):
    with pytest.raises(StreamError, match="type the stream's name"):
        Supervisor(settings).reset("silver", "Silver")
