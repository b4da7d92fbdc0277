"""Housekeeping: few files instead of many, nothing kept that no promise needs, and a report of what was done.

Each table is compacted and vacuumed by the engine that writes it, one after the other, while streams and readers go on: what a
reader has open stays on the disk for `retention.KEPT`. No observation and no message of the tables is ever deleted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from pyspark.sql import SparkSession

from pipeline import compaction, disk, logs, ops, resets, spark
from pipeline.broker import FOREVER, retention_ms
from pipeline.errors import ContrailError, LakeError
from pipeline.graph import Stage, stages
from pipeline.kafka_security import security_of
from pipeline.lease import lock_of
from pipeline.retention import KEPT, LONGEST_STOP, hours, milliseconds
from pipeline.settings import Settings
from pipeline.sinks import Append, turn
from pipeline.status_words import round_words
from pipeline.tables import HELD_OUT_PREDICTIONS, Lake, Table, lake_of

VACUUM_SECONDS = 24 * 3600.0
# Delta's vacuum lists folders in as many tasks as this says, ten thousand unless told otherwise: 46 s for an empty table.
FEW_TASKS = {
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    # As a job, which can be cancelled: by itself Delta deletes file by file in the driver, which on S3 takes many minutes.
    "spark.databricks.delta.vacuum.parallelDelete.enabled": "true",
    "spark.databricks.delta.vacuum.parallelDelete.parallelism": "2",
}

log = logging.getLogger("contrail")

Going = Callable[[], bool]


@dataclass
class Report:
    """What one round did, as published in `ops/maintenance.json`; `tables` has files before and after of each.

    `vacuumed_at`: when files that no version needs were deleted last, s since 1970. `trouble`: sentences, empty when all went well.
    """

    at: float = 0.0
    seconds: float = 0.0
    tables: dict[str, list[int]] = field(default_factory=dict)
    vacuumed_at: float = 0.0
    checkpoints_deleted: int = 0
    logs_cut: int = 0
    kafka_hours: float | None = None
    used_bytes: int = 0
    full: str = ""
    trouble: list[str] = field(default_factory=list)


def maintain(
    lake: Lake,
    settings: Settings,
    session: SparkSession,
    servers: str,
    *,
    going: Going = lambda: True,
    vacuum: bool = False,
) -> Report:
    """One round; `vacuum` even when that was done within a day. It ends early once `going` says no. Raises nothing of a step:
    what failed stands in the report, and is tried again in the next round."""
    before = ops.read(lake, ops.MAINTENANCE) or {}
    report = Report(at=time.time(), vacuumed_at=float(before.get("vacuumed_at", 0.0)))
    vacuum = vacuum or report.at - report.vacuumed_at >= VACUUM_SECONDS
    own = _own_session(session)
    for stage in stages(settings):
        if going():
            _step(report, partial(_tidy, report, stage, lake, own, going, vacuum=vacuum))
    if vacuum and going():
        _step(report, lambda: _vacuum(own, lake, HELD_OUT_PREDICTIONS))
    if vacuum and going() and not report.trouble:
        report.vacuumed_at = report.at
    if going():
        _step(report, lambda: _look_at_kafka(report, settings, servers))
        _step(report, lambda: _measure(report, lake, settings))
    report.seconds = time.time() - report.at
    return report


def publish(lake: Lake, report: Report, user: str) -> None:
    """Let status, page and action log know."""
    ops.write(lake, ops.MAINTENANCE, vars(report))
    ops.note(lake, user, "maintain", (), round_words(vars(report)))


def alone(settings: Settings, say: Callable[[str], None]) -> Report:
    """Keep house in a lake that nobody drives. Raises LakeError when somebody does, or when there is no lake."""
    lake = lake_of(settings)
    if ops.read(lake, ops.FEEDS) is None:
        raise LakeError(f"No pipeline has run on {lake.root} yet, so there is nothing to keep in order.")
    lock = lock_of(lake, settings.lease_seconds, spark.kill_jvm)
    try:
        lock.take()
    except LakeError as error:
        raise LakeError(f"{error} A running driver does this by itself.") from None
    try:
        list(lake.create())
        say("Starting Spark")
        session = spark.session(settings, say)
        lock.watch(spark.jvm_process())
        say("Tidying up")
        report = maintain(lake, settings, session, settings.kafka or "", going=lock.certain, vacuum=True)
        report.checkpoints_deleted = resets.forget(lake)
        publish(lake, report, "contrail maintain")
        return report
    finally:
        spark.end_jvm(20)
        lock.watch(0)
        lock.free()


def _own_session(session: SparkSession) -> SparkSession:
    """A session of its own on the same JVM: its settings are not the streams', and their pools do not wait for it."""
    own = session.newSession()
    for name, value in FEW_TASKS.items():
        own.conf.set(name, value)
    own.sparkContext.setLocalProperty("spark.scheduler.pool", compaction.POOL)
    own.sparkContext.setJobGroup(compaction.POOL, "housekeeping")
    return own


def _step(report: Report, do: Callable[[], None]) -> None:
    try:
        do()
    except ContrailError as error:
        report.trouble.append(str(error))
    except Exception as error:  # of Spark, delta-rs or Kafka: the next round tries again
        log.warning("Housekeeping met %s", error)
        report.trouble.append(
            f"A step failed: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}"
        )


def _tidy(report: Report, stage: Stage, lake: Lake, session: SparkSession, going: Going, *, vacuum: bool) -> None:
    """Compact a stream's table, and delete the files that none of its kept versions needs, by the engine that writes it."""
    table = stage.sink.table
    if isinstance(stage.sink, Append):
        report.tables[table.name] = [*compaction.by_spark(session, lake, table, going)]
        if vacuum and going():
            _vacuum(session, lake, table)
        return
    with turn(lake, table):
        opened = lake.open(table)
        report.tables[table.name] = [*compaction.by_delta_rs(opened)]
        if vacuum:
            opened.vacuum(dry_run=False, full=True)
            opened.create_checkpoint()
            opened.cleanup_metadata()


def _vacuum(session: SparkSession, lake: Lake, table: Table) -> None:
    session.sql(f"VACUUM delta.`{lake.path(table)}`")


def _look_at_kafka(report: Report, settings: Settings, servers: str) -> None:
    """Whether Kafka keeps messages as long as a stop may last."""
    if not servers:
        return
    kept = retention_ms(servers, settings.topic, security_of(settings))
    if kept == FOREVER:
        return
    report.kafka_hours = kept / 3_600_000
    if kept < milliseconds(LONGEST_STOP):
        raise LakeError(
            f"Kafka keeps the messages of {settings.topic} for {report.kafka_hours:g} hours, so a stop of more than that loses some: "
            f"set the topic's retention.ms to {milliseconds(KEPT)} ({hours(KEPT)} hours)."
        )


def _measure(report: Report, lake: Lake, settings: Settings) -> None:
    report.logs_cut = logs.trim(settings)
    report.used_bytes = disk.used(lake, settings)
    report.full = disk.exceeded(report.used_bytes, settings.disk_budget_gb)
