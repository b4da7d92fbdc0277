"""The Spark session, and a stage as a running query on it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pyspark
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from pipeline import jars, resets
from pipeline.broker import end_offsets
from pipeline.graph import Stage, Topic
from pipeline.serving import Reader
from pipeline.settings import Settings
from pipeline.stream_status import NEWEST
from pipeline.tables import BRONZE, Lake

# Each value was measured; docs/decisions/spark-session.md has the figures.
SESSION = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.cache.maxEntries": "4000",
    "spark.sql.maxConcurrentOutputFileWriters": "8",
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
LOGGING = Path(__file__).with_name("log4j2.properties")
# On a local disk: no rename through a temporary file system layer, and no `chmod` forked for each file.
LOCAL_DISK = {
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
}
# A dead endpoint is named within seconds; Hadoop's own patience is over four minutes.
S3_PATIENCE = {
    "spark.hadoop.fs.s3a.attempts.maximum": "2",
    "spark.hadoop.fs.s3a.retry.limit": "2",
    "spark.hadoop.fs.s3a.retry.interval": "100ms",
    "spark.hadoop.fs.s3a.connection.establish.timeout": "2s",
    "spark.hadoop.fs.s3a.connection.timeout": "10s",
}


def session(settings: Settings, say: jars.Progress = print, archive: str | None = None) -> SparkSession:
    """A Spark session for the streams; the JVM parts are fetched when they are not there yet.

    `archive` is the JVM's option about the archive of classes; by default it is used where it is there (`class_archive`).
    Raises JavaError or JarError with the cure.
    """
    java = jars.java()
    parts = ["spark", *(["s3"] if settings.on_s3 else [])]
    files = [str(path) for part in parts for path in jars.jars(part, settings.cache_folder, say)]
    if archive is None:
        archive = f"-XX:SharedArchiveFile={kept}" if (kept := class_archive(settings)).exists() else ""
    # Spark starts its Python workers from these; without them a stateful worker would be another Python.
    os.environ.update(JAVA_HOME=str(Path(java).resolve().parent.parent), PYSPARK_PYTHON=sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")
    builder = SparkSession.builder
    configuration = _configuration(settings, files, archive)
    for name, value in configuration.items():
        builder = builder.config(name, value)
    _launch_jvm(configuration, settings.data_folder / "logs" / "jvm.log")
    return builder.getOrCreate()


def class_archive(settings: Settings) -> Path:
    """Where the JVM finds the classes that it needs already parsed and verified: a file for each Java and class path."""
    told = subprocess.run([jars.java(), "-version"], capture_output=True).stderr + pyspark.__file__.encode()
    return jars.folder("spark", settings.cache_folder).parent / f"classes-{zlib.crc32(told):08x}.jsa"


def _launch_jvm(configuration: dict[str, str], log: Path) -> None:
    """Start the JVM unless it runs; what it and its Python workers print goes to a file and not to the user's console."""
    if SparkContext._gateway is not None:
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    # Only what a JVM has to know when it starts: a command line can be read by others, and S3's keys are not for them.
    needed = [(name, value) for name, value in configuration.items() if name.startswith("spark.driver.")]
    conf = SparkConf(loadDefaults=False).setAll(needed)
    with log.open("ab") as output:
        gateway = launch_gateway(conf, popen_kwargs={"stdout": output, "stderr": output})  # type: ignore[no-untyped-call]
    SparkContext._ensure_initialized(gateway=gateway)


def _configuration(settings: Settings, files: list[str], archive: str) -> dict[str, str]:
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
    if not settings.spark_master.startswith("local"):
        made["spark.jars"] = ",".join(files)
    return SESSION | made | (_s3(settings) if settings.on_s3 else LOCAL_DISK)


def _s3(settings: Settings) -> dict[str, str]:
    options = {
        "endpoint": settings.s3_endpoint,
        "endpoint.region": settings.s3_region,
        "path.style.access": "true",
        "connection.ssl.enabled": str(not (settings.s3_endpoint or "").startswith("http://")).lower(),
        "access.key": settings.s3_access_key,
        "secret.key": settings.s3_secret_key,
    }
    if settings.s3_access_key:
        options["aws.credentials.provider"] = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
    return S3_PATIENCE | {f"spark.hadoop.fs.s3a.{name}": value for name, value in options.items() if value}


def start(
    spark: SparkSession, stage: Stage, lake: Lake, settings: Settings, servers: str, *, once: bool = False
) -> StreamingQuery:
    """Start a stage's query; with `once` it ends by itself when all that is there now is taken."""
    # A pool a query: a long batch of one stream does not keep the others waiting.
    spark.sparkContext.setLocalProperty("spark.scheduler.pool", stage.name)
    rows = stage.layer(_source(spark, stage, lake, settings, servers)).observe(
        NEWEST, F.max(newest_of(stage)).alias("at")
    )
    checkpoint = lake.checkpoint(stage.name, resets.generation(lake, stage.name))
    writer = stage.sink.write(rows, lake).queryName(stage.name).option("checkpointLocation", checkpoint)
    every = {"availableNow": True} if once else {"processingTime": f"{stage.every_ms} milliseconds"}
    return writer.trigger(**every).start()


def newest_of(stage: Stage) -> str:
    """The column that says how new a stream's rows are: Kafka's time before messages are parsed, event time after that."""
    columns = stage.sink.table.schema.names
    return next(name for name in ("event_timestamp", "kafka_timestamp", "window_end") if name in columns)


def _source(spark: SparkSession, stage: Stage, lake: Lake, settings: Settings, servers: str) -> DataFrame:
    if isinstance(stage.reads, Topic):
        options = {
            "kafka.bootstrap.servers": servers,
            "subscribe": stage.reads.name,
            "startingOffsets": _starting_offsets(stage.reads, lake, servers),
            "failOnDataLoss": "true",
            "maxOffsetsPerTrigger": str(settings.batch_messages),
            "kafka.fetch.max.wait.ms": "20",
        }
        return spark.readStream.format("kafka").options(**options).load()
    return spark.readStream.format("delta").option("maxFilesPerTrigger", "1000").load(lake.path(stage.reads))


def _starting_offsets(topic: Topic, lake: Lake, servers: str) -> str:
    """Where a new checkpoint of Bronze begins: at the beginning, or, when it was reset, behind what its table holds."""
    reader = Reader(lake)
    if not resets.generation(lake, "bronze") or reader.refresh(BRONZE) < 0:
        return "earliest"
    held = reader.rows(BRONZE, 'partition AS p, max("offset") AS o', f"WHERE topic = '{topic.name}' GROUP BY partition")
    following = {row["p"]: row["o"] + 1 for row in held}
    return json.dumps(
        {topic.name: {str(part): following.get(part, EARLIEST) for part in end_offsets(servers, topic.name)}}
    )


def jvm_alive() -> bool:
    """Whether the JVM that was started runs."""
    gateway: Any = SparkContext._gateway
    return gateway is not None and (gateway.proc is None or gateway.proc.poll() is None)


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
