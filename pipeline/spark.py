"""The Spark session, and a stage as a running query on it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from pipeline import cluster, jars, log_stores, reach, resets
from pipeline.broker import end_offsets
from pipeline.graph import Stage, Topic
from pipeline.kafka_security import Security, security_of
from pipeline.settings import Settings
from pipeline.sinks import Merge
from pipeline.stream_status import NEWEST
from pipeline.tables import Lake, lake_of

# Each value was measured; docs/decisions/spark-session.md has the figures.
SESSION = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.cache.maxEntries": "4000",
    "spark.sql.maxConcurrentOutputFileWriters": "8",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.python.daemon.module": "pipeline.workers",
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "200000",
    "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "100000",
    "spark.sql.streaming.minBatchesToRetain": "20",
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
    "spark.sql.streaming.numRecentProgressUpdates": "20",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.databricks.delta.stats.skipping": "true",
    "spark.scheduler.mode": "FAIR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.ui.retainedExecutions": "5",
}
JVM = (
    "-XX:+UseSerialGC -Xss4m -XX:ReservedCodeCacheSize=256m -XX:Tier4InvocationThreshold=30000 "
    "-XX:Tier4MinInvocationThreshold=5000 -XX:Tier4CompileThreshold=60000 -XX:Tier4BackEdgeThreshold=400000 "
    "-XX:FreqInlineSize=150 -XX:InlineSmallCode=1200 -XX:MaxInlineLevel=9 -XX:LoopUnrollLimit=8 -XX:-UseSuperWord"
)
EARLIEST = -2  # as Spark's Kafka source writes it
# Of a table in one batch: Silver holds a batch's messages in memory, and compacted files are large. Gold, which keeps sums alone, takes
# more: two files that Silver wrote at once hold other aircraft of the same hours, and a cut between them makes the second one late.
LIMITS = {"maxFilesPerTrigger": "1000", "maxBytesPerTrigger": "128m"}
SUMMED = {"maxFilesPerTrigger": str(2**31 - 1), "maxBytesPerTrigger": "1g"}
LOGGING = Path(__file__).with_name("log4j2.properties")
ON_S3 = {"spark.delta.logStore.s3a.impl": log_stores.ON_S3}
# On a local disk: no rename through a temporary file system layer, and no `chmod` forked for each file.
LOCAL_DISK = {
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    "spark.delta.logStore.file.impl": log_stores.ON_DISK,
}


def session(settings: Settings, say: jars.Progress = print, archives: Path | None = None) -> SparkSession:
    """A Spark session for the streams; the JVM parts are fetched when they are not there yet.

    With `archives` the JVM writes its archive of classes in that folder when it ends; else it uses the one that is there.
    Raises JavaError or JarError with the cure.
    """
    java, cache = jars.java(), settings.cache_folder
    files, s3_files = (
        [str(path) for path in (*jars.jars(part, cache, say), log_stores.jar(part, cache, say))] if needed else []
        for part, needed in (("spark", True), ("s3", settings.on_s3))
    )
    archive = " ".join(jars.class_sharing("spark", cache, archives))
    # Spark starts its Python workers from these; without them a stateful worker would be another Python.
    os.environ.update(JAVA_HOME=str(Path(java).resolve().parent.parent), PYSPARK_PYTHON=sys.executable)
    if s3_files:
        # Behind all else on the class path: one that began otherwise than the archive's own would make the archive useless.
        os.environ.update(SPARK_DIST_CLASSPATH=os.pathsep.join(s3_files))
    os.environ.setdefault("SPARK_LOCAL_IP", settings.driver_bind or settings.driver_host)
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")
    builder = SparkSession.builder
    configuration = _configuration(settings, files, s3_files, archive)
    for name, value in configuration.items():
        builder = builder.config(name, value)
    _launch_jvm(configuration, settings.data_folder / "logs" / "jvm.log")
    made = builder.getOrCreate()
    if settings.on_cluster:
        made.sparkContext.addPyFile(str(cluster.package(settings.data_folder / "spark")))
    return made


def _launch_jvm(configuration: dict[str, str], log: Path) -> None:
    """Start the JVM unless it runs; what it and its Python workers print goes to a file and not to the user's console."""
    if jvm_alive():
        return
    forget_jvm()  # one may have died while it was being started
    log.parent.mkdir(parents=True, exist_ok=True)
    # Only what a JVM has to know when it starts: a command line can be read by others, and S3's keys are not for them.
    needed = [
        (name, value) for name, value in configuration.items() if name.startswith(("spark.driver.", "spark.jars"))
    ]
    conf = SparkConf(loadDefaults=False).setAll(needed)
    with log.open("ab") as output:
        gateway = launch_gateway(conf, popen_kwargs={"stdout": output, "stderr": output})  # type: ignore[no-untyped-call]
    SparkContext._ensure_initialized(gateway=gateway)


def _configuration(settings: Settings, files: list[str], s3_files: list[str], archive: str) -> dict[str, str]:
    scratch, log = settings.data_folder / "spark", settings.data_folder / "logs" / "spark.log"
    made = {
        "spark.app.name": "contrail",
        "spark.master": settings.spark_master,
        "spark.driver.extraClassPath": os.pathsep.join(files),
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"{JVM} {archive} -Dlog4j2.configurationFile={LOGGING.as_uri()} -Dcontrail.log={log}",
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.local.dir": str(scratch / "scratch"),
    }
    if settings.on_cluster:
        made |= cluster.configuration(settings, files + s3_files)
    access = lake_of(settings).access
    return SESSION | made | (ON_S3 | access.hadoop() if access else LOCAL_DISK)


def start(
    spark: SparkSession, stage: Stage, lake: Lake, settings: Settings, servers: str, *, once: bool = False
) -> StreamingQuery:
    """Start a stage's query; with `once` it ends by itself when all that is there now is taken."""
    # A pool a query: a long batch of one stream does not keep the others waiting.
    spark.sparkContext.setLocalProperty("spark.scheduler.pool", stage.name)
    rows = stage.layer(_source(spark, stage, lake, settings, servers))
    if newest := newest_of(stage):
        rows = rows.observe(NEWEST, F.max(newest).alias("at"))
    checkpoint = lake.checkpoint(stage.name, resets.generation(lake, stage.name))
    writer = stage.sink.write(rows, lake).queryName(stage.name).option("checkpointLocation", checkpoint)
    every = {"availableNow": True} if once else {"processingTime": f"{stage.every_ms} milliseconds"}
    return writer.trigger(**every).start()


def newest_of(stage: Stage) -> str | None:
    """The column that says how new a stream's rows are: Kafka's time before messages are parsed, event time after that.

    None for windows, whose bounds say little about it: Spark tells how new the rows in them were, from the watermark.
    """
    columns = stage.sink.table.schema.names
    return next((name for name in ("event_timestamp", "kafka_timestamp") if name in columns), None)


def _source(spark: SparkSession, stage: Stage, lake: Lake, settings: Settings, servers: str) -> DataFrame:
    if isinstance(stage.reads, Topic):
        security = security_of(settings)
        options = security.spark() | {
            "kafka.bootstrap.servers": servers,
            "subscribe": stage.reads.name,
            "startingOffsets": _starting_offsets(stage.reads, lake, servers, security),
            "failOnDataLoss": "true",
            "maxOffsetsPerTrigger": str(settings.batch_messages),
            "kafka.fetch.max.wait.ms": "20",
        }
        return spark.readStream.format("kafka").options(**options).load()
    reader = spark.readStream.format("delta").options(**(SUMMED if isinstance(stage.sink, Merge) else LIMITS))
    if stage.from_now:
        # A reset of the table that it reads is a commit without new rows: nothing to stop at.
        began = resets.beginning(lake, stage.name, int(lake.open(stage.reads).version()))
        reader = reader.option("startingVersion", str(began)).option("skipChangeCommits", "true")
    return reader.load(lake.path(stage.reads))


def _starting_offsets(topic: Topic, lake: Lake, servers: str, security: Security) -> str:
    """Where a new checkpoint of Bronze begins: behind what its table holds, so that it never takes a message twice."""
    following = reach.end_of_bronze(lake, topic.name)
    if not following:
        return "earliest"
    kept = end_offsets(servers, topic.name, security)
    # Behind what the table holds, or with the oldest message where Kafka has deleted that one: the audit tells of the gap.
    begin = {
        str(part): max(following[part], first) if part in following else EARLIEST for part, (first, _) in kept.items()
    }
    return json.dumps({topic.name: begin})


def forget_tables(session: SparkSession) -> None:
    """Let Delta read the logs of all tables again: one that was made anew has fewer versions than the JVM remembers."""
    jvm: Any = session._jvm
    jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


def jvm_alive() -> bool:
    """Whether the JVM that was started runs."""
    gateway: Any = SparkContext._gateway
    return gateway is not None and (gateway.proc is None or gateway.proc.poll() is None)


def jvm_process() -> int:
    """The JVM's process; 0 while none was started here."""
    gateway: Any = SparkContext._gateway
    return 0 if gateway is None or gateway.proc is None else int(gateway.proc.pid)


def kill_jvm() -> None:
    """End the JVM at once, in the middle of whatever it does; from any thread."""
    gateway: Any = SparkContext._gateway
    if gateway is not None and gateway.proc is not None:
        gateway.proc.kill()


def forget_jvm() -> None:
    """Let pyspark start another JVM: it keeps the dead one's gateway and context in class variables."""
    with contextlib.suppress(Exception):
        if SparkContext._gateway is not None:
            SparkContext._gateway.shutdown()
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None


def end_jvm(patience_seconds: float) -> None:
    """End the JVM itself: `SparkSession.stop` leaves it running until Python exits."""
    gateway: Any = SparkContext._gateway
    forget_jvm()
    if gateway is not None and gateway.proc is not None:
        gateway.proc.stdin.close()
        try:
            gateway.proc.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            gateway.proc.kill()
            gateway.proc.wait()
