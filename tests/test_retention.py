"""One promise, and everything that is deleted by age is deleted later."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from pipeline import resets
from pipeline.broker import Broker, end_offsets, retention_ms
from pipeline.retention import KEPT, LONGEST_STOP, days, hours, milliseconds
from pipeline.tables import PROPERTIES, TABLES, Lake

ROOT = Path(__file__).parents[1]


def test_what_is_kept_outlives_the_longest_stop():
    assert LONGEST_STOP + timedelta(hours=12) <= KEPT
    assert timedelta(days=resets.KEPT_DAYS) == LONGEST_STOP


def test_every_table_keeps_versions_and_files_that_long(small_lake):
    for table in TABLES:
        told = small_lake.open(table).metadata().configuration
        for name in ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration"):
            assert told[name] == f"interval {days(KEPT)} days"


def test_a_lake_made_with_other_properties_gets_the_present_ones(small_lake: Lake):
    table = TABLES[0]
    small_lake.open(table).alter.set_table_properties({"delta.logRetentionDuration": "interval 1 days"})
    assert list(small_lake.create()) == []
    assert PROPERTIES.items() <= small_lake.open(table).metadata().configuration.items()
    version = small_lake.open(table).version()
    list(small_lake.create())
    assert small_lake.open(table).version() == version


def test_kafka_keeps_messages_that_long(settings, broker: Broker):
    assert end_offsets(broker.servers, settings.topic)
    assert retention_ms(broker.servers, settings.topic) == milliseconds(KEPT)
    assert f"log.retention.hours={hours(KEPT)}" in (broker.folder / "server.properties").read_text()
    (composed,) = re.findall(r"KAFKA_LOG_RETENTION_HOURS: (\d+)", (ROOT / "docker-compose.yml").read_text())
    assert int(composed) == hours(KEPT)


def test_the_operator_reads_the_promise_and_what_is_kept():
    text = (ROOT / "docs" / "operations.md").read_text()
    assert f"may stand still for {days(LONGEST_STOP)} days" in text
    assert f"are kept for {days(KEPT)} days" in text
