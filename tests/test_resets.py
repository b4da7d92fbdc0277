"""A stream that begins anew, on real Kafka, Spark and Delta: the tables are right afterwards, and after the way back."""

from __future__ import annotations

import pytest

from pipeline import resets
from pipeline.audit import audit
from pipeline.errors import StreamError
from pipeline.serving import Reader
from pipeline.supervisor import Supervisor
from pipeline.tables import FLIGHTS_ML, Lake
from tests.comparison import assert_tables_equal_oracle
from tests.test_graph import simulated, take_all


def feed(producer, answers) -> None:
    for answer in answers:
        producer.send(answer, "simulator")


def assert_right(lake: Lake) -> None:
    assert_tables_equal_oracle(lake)
    assert audit(lake).holds


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
def test_a_reset_stream_loses_and_repeats_nothing(spark, settings, lake, producer, stream):
    answers = simulated(16)
    feed(producer, answers[:8])
    take_all(spark, settings, lake)
    resets.reset(lake, stream)
    feed(producer, answers[8:])
    take_all(spark, settings, lake)
    assert_right(lake)


def test_a_plan_says_what_will_be_computed_again(lake):
    assert resets.plan(lake, "silver").streams == ("silver", "flight_phase_counts", "anomaly_alerts")
    assert "silver/flights_ml" in resets.plan(lake, "anomaly_alerts").words
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
