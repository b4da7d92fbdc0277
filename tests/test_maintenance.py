"""Housekeeping on real Kafka, Spark and Delta: streams and readers go on, and the tables stay what the rules say."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from pipeline import compaction, maintenance, ops, resets
from pipeline import spark as engine
from pipeline.audit import audit
from pipeline.broker import RETENTION, _admin
from pipeline.errors import LakeError
from pipeline.graph import stages
from pipeline.kafka_security import Security
from pipeline.lease import lock_of
from pipeline.serving import Reader
from pipeline.status_words import housekeeping_words
from pipeline.tables import FLIGHT_PHASE_COUNTS, FLIGHTS_ML, HELD_OUT_PREDICTIONS, QUARANTINE, TABLES
from tests.comparison import assert_tables_equal_oracle
from tests.test_graph import simulated, take_all

NAMES = {table.name for table in TABLES}


class Looking(threading.Thread):
    """A reader that looks at Silver and Gold all the time: what it counts never gets less."""

    def __init__(self, lake):
        super().__init__(daemon=True)
        self.reader, self.looks, self.trouble = Reader(lake), 0, ""
        self.done = threading.Event()

    def run(self):
        most = {FLIGHTS_ML.name: 0, FLIGHT_PHASE_COUNTS.name: 0}
        try:
            while not self.done.is_set():
                for table, figure in (
                    (FLIGHTS_ML, "count(*)"),
                    (FLIGHT_PHASE_COUNTS, "coalesce(sum(observations), 0)"),
                ):
                    self.reader.refresh(table)
                    found = self.reader.one(table, f"{figure} AS n")["n"]
                    assert found >= most[table.name], (table.name, found, most)
                    most[table.name] = found
                self.looks += 1
        except Exception as error:
            self.trouble = repr(error)


def test_streams_and_readers_go_on_while_house_is_kept_and_a_reset_finds_the_order(
    spark, settings, lake, producer, monkeypatch
):
    monkeypatch.setattr(compaction, "LEAST_FILES", 2)
    monkeypatch.setattr(compaction, "TARGET_BYTES", 60_000)  # so that there are several, whose order matters
    running = {stage.name: engine.start(spark, stage, lake, settings, settings.kafka) for stage in stages(settings)[:5]}
    answers, fed = simulated(45), threading.Event()

    def feed():
        for answer in answers:
            producer.send(answer, "simulator")
            time.sleep(0.4)
        fed.set()

    looking, feeding = Looking(lake), threading.Thread(target=feed, daemon=True)
    looking.start()
    feeding.start()
    reports = []
    while not fed.is_set():
        reports.append(maintenance.maintain(lake, settings, spark, settings.kafka, vacuum=not reports))
        time.sleep(1)
    for name, query in running.items():
        if name != QUARANTINE.name:
            query.processAllAvailable()
        assert query.exception() is None, name
        query.stop()
    looking.done.set()
    looking.join()
    take_all(spark, settings, lake)
    reports.append(maintenance.maintain(lake, settings, spark, settings.kafka))
    assert not looking.trouble
    assert looking.looks > 1
    assert [report.trouble for report in reports] == [[]] * len(reports)
    for name in (
        "bronze",
        "flights_ml",
    ):  # in so short a time each merge rewrites the one file that a table of Gold has
        assert sum(report.tables[name][0] - report.tables[name][1] for report in reports) > 0, name
    assert_tables_equal_oracle(lake)
    # One file a batch: a file out of its place would make Silver drop what is older than what it has.
    monkeypatch.setattr(engine, "LIMITS", {"maxFilesPerTrigger": "1"})
    resets.reset(lake, "silver")
    take_all(spark, settings, lake)
    assert_tables_equal_oracle(lake)
    assert audit(lake).settled


def test_a_round_tells_what_it_did_and_the_action_log_has_it(spark, settings, lake, producer):
    for answer in simulated(9):
        producer.send(answer, "simulator")
        take_all(spark, settings, lake, ["bronze"])
    report = maintenance.maintain(lake, replace(settings, disk_budget_gb=0.01), spark, settings.kafka, vacuum=True)
    maintenance.publish(lake, report, "contrail")
    told = ops.read(lake, ops.MAINTENANCE)
    assert told is not None
    assert set(told["tables"]) == NAMES - {HELD_OUT_PREDICTIONS.name}
    assert told["tables"]["bronze"][1] < told["tables"]["bronze"][0]
    assert told["kafka_hours"] == 72
    assert told["used_bytes"] > 0
    assert told["vacuumed_at"] == told["at"]
    said = housekeeping_words(told, told["at"] + 300)
    assert said.startswith("Housekeeping 5 min ago: ")
    (noted,) = ops.actions(lake, 5)
    assert (noted["user"], noted["verb"]) == ("contrail", "maintain")
    assert noted["outcome"] in said
    again = maintenance.maintain(lake, settings, spark, settings.kafka)
    assert again.vacuumed_at == report.vacuumed_at


def test_a_kafka_that_keeps_too_little_is_named_with_the_cure(spark, settings, lake):
    from kafka.admin import ConfigResource, ConfigResourceType

    with _admin(settings.kafka, Security()) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic, {RETENTION: "3600000"})])
    report = maintenance.maintain(lake, settings, spark, settings.kafka, going=lambda: True)
    (said,) = report.trouble
    assert report.vacuumed_at == report.at, "what Kafka keeps is no reason to look for old files each hour"
    assert "for 1 hours" in said
    assert "retention.ms to 259200000" in said


def test_a_step_that_fails_is_a_sentence_and_the_others_are_done(spark, settings, lake):
    import shutil

    shutil.rmtree(lake.path(QUARANTINE))
    report = maintenance.maintain(lake, settings, spark, settings.kafka)
    assert len(report.trouble) == 1
    assert "quarantine" in report.trouble[0]
    assert set(report.tables) == NAMES - {"quarantine", HELD_OUT_PREDICTIONS.name}


def test_a_lake_that_somebody_drives_or_that_is_none_is_not_touched(settings, lake, tmp_path):
    with pytest.raises(LakeError, match="No pipeline has run"):
        maintenance.alone(replace(settings, data=str(tmp_path / "other")), print)
    ops.claim_feed(lake, "simulator")
    lock = lock_of(lake, 30, lambda: None)
    lock.take()
    with pytest.raises(LakeError, match="A running driver does this by itself"):
        maintenance.alone(settings, print)
    lock.free()


def test_every_table_is_kept_in_order_by_a_stream_of_the_graph_or_with_the_training(settings):
    assert {stage.sink.table.name for stage in stages(settings)} | {HELD_OUT_PREDICTIONS.name} == NAMES
