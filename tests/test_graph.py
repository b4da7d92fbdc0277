"""The whole flow on real Kafka, Spark and Delta against an independent computation, whole and in pieces."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipeline import spark as engine
from pipeline.audit import audit
from pipeline.graph import STREAMS, stages
from pipeline.producer import Producer
from pipeline.settings import Settings
from pipeline.sources import Answer
from pipeline.sources.replay import recorded
from pipeline.sources.simulator import Sky
from pipeline.tables import FLIGHTS_ML, Lake
from tests.comparison import assert_tables_equal_oracle, rows

START = 1_790_000_000
POISON: list[object] = [None, "garbage", 7, [], ["zz", 1], {"icao24": "abc123"}, [*["x"] * 30]]


def simulated(answers: int) -> list[Answer]:
    """A small sky with some garbage in it, an answer every 20 s."""
    sky = Sky(60, seed=5)
    made = [sky.answer(START + 20 * number) for number in range(answers)]
    return [Answer(one.time, [*one.states, *POISON]) for one in made]


def take_all(spark: SparkSession, settings: Settings, lake: Lake, names: Iterable[str] = STREAMS) -> None:
    """Let streams, one after the other, take all that is there."""
    by_name = {stage.name: stage for stage in stages(settings)}
    for name in names:
        assert settings.kafka is not None
        query = engine.start(spark, by_name[name], lake, settings, settings.kafka, once=True)
        query.awaitTermination()
        assert query.exception() is None


def feed_in_pieces(
    spark: SparkSession, settings: Settings, lake: Lake, producer: Producer, answers: list[Answer], pieces: int
) -> None:
    """Feed piece by piece, and between them start some streams in any order and leave the others stopped."""
    chance = random.Random(3)
    left = iter(answers)
    while piece := list(islice(left, -(-len(answers) // pieces))):
        for answer in piece:
            producer.send(answer, "replay", flush=False)
        producer.send(Answer(0, []), "replay")
        take_all(spark, settings, lake, chance.sample(STREAMS, 3))
    take_all(spark, settings, lake)


def test_a_simulated_sky_comes_out_as_the_rules_say(spark, settings, lake, producer):
    for answer in simulated(45):
        producer.send(answer, "simulator")
    take_all(spark, settings, lake)
    found = assert_tables_equal_oracle(lake)
    assert len({row["flight_phase"] for row in found}) == 6
    assert audit(lake).settled


def test_pieces_and_restarts_of_single_streams_change_nothing(spark, settings, lake, producer):
    feed_in_pieces(spark, settings, lake, producer, simulated(45), pieces=4)
    assert_tables_equal_oracle(lake)
    report = audit(lake)
    assert report.settled
    assert report.quarantined == 45 * len(POISON)


def test_hours_that_silver_takes_at_once_are_not_late_for_gold(spark, settings, lake, producer, monkeypatch):
    """Silver's batch is two files of other aircraft: whatever of them Gold reads first, its watermark passes the rest."""
    for answer in simulated(120):
        producer.send(answer, "simulator", flush=False)
    producer.send(Answer(0, []), "simulator")
    take_all(spark, settings, lake, STREAMS[:3])
    assert len(lake.open(FLIGHTS_ML).file_uris()) > 1
    monkeypatch.setattr(engine, "LIMITS", {"maxFilesPerTrigger": "1"})
    take_all(spark, settings, lake, STREAMS[3:])
    assert_tables_equal_oracle(lake)
    assert audit(lake).settled


def test_the_seed_limits_flag_by_their_own_rules(spark, settings, lake, producer):
    settings = replace(settings, limits="seed")
    for answer in simulated(12):
        producer.send(answer, "simulator")
    take_all(spark, settings, lake)
    assert_tables_equal_oracle(lake, "seed")


@pytest.mark.parametrize("pieces", [1, 3])
def test_recorded_flights_come_out_as_the_rules_say(spark, settings, lake, producer, recordings: Path, pieces: int):
    answers = list(recorded(recordings / "traffic_quickstart_2021-10-07_15s.jsonl.gz"))
    feed_in_pieces(spark, settings, lake, producer, answers, pieces)
    assert_tables_equal_oracle(lake)
    assert audit(lake).settled


def test_a_world_of_recorded_states_comes_out_as_the_rules_say(spark, settings, lake, producer, recordings: Path):
    for answer in recorded(recordings / "states_all_global_2021-10-17T114950Z.jsonl.gz"):
        producer.send(answer, "replay")
    take_all(spark, settings, lake)
    assert_tables_equal_oracle(lake)
    assert rows(lake, FLIGHTS_ML)
