"""The Spark session, and a stage as a running query on it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from pipeline import jars
from pipeline.graph import Stage, Topic
from pipeline.settings import Settings
from pipeline.tables import Lake

# Each value was measured; docs/decisions/spark-session.md has the figures.
SESSION = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.cache.maxEntries": "4000",
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
JVM = "-XX:+UseSerialGC -Xss4m -XX:ReservedCodeCacheSize=256m"
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


def session(settings: Settings, say: jars.Progress = print) -> SparkSession:
    """A Spark session for the streams; the JVM parts are fetched when they are not there yet.

    Raises JavaError or JarError with the cure.
    """
    java = jars.java()
    parts = ["spark", *(["s3"] if settings.on_s3 else [])]
    files = [str(path) for part in parts for path in jars.jars(part, settings.cache_folder, say)]
    # Spark starts its Python workers from these; without them a stateful worker would be another Python.
    os.environ.update(JAVA_HOME=str(Path(java).resolve().parent.parent), PYSPARK_PYTHON=sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")
    builder = SparkSession.builder.appName("contrail").master(settings.spark_master)
    for name, value in _configuration(settings, files).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _configuration(settings: Settings, files: list[str]) -> dict[str, str]:
    scratch, log = settings.data_folder / "spark", settings.data_folder / "logs" / "spark.log"
    made = {
        "spark.driver.extraClassPath": os.pathsep.join(files),
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"{JVM} -Dlog4j2.configurationFile={LOGGING.as_uri()} -Dcontrail.log={log}",
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
    rows = stage.layer(_source(spark, stage, lake, settings, servers))
    writer = (
        stage.sink.write(rows, lake).queryName(stage.name).option("checkpointLocation", lake.checkpoint(stage.name))
    )
    writer = (
        writer.trigger(availableNow=True) if once else writer.trigger(processingTime=f"{stage.every_ms} milliseconds")
    )
    return writer.start()


def _source(spark: SparkSession, stage: Stage, lake: Lake, settings: Settings, servers: str) -> DataFrame:
    if isinstance(stage.reads, Topic):
        options = {
            "kafka.bootstrap.servers": servers,
            "subscribe": stage.reads.name,
            "startingOffsets": "earliest",
            "failOnDataLoss": "true",
            "maxOffsetsPerTrigger": str(settings.batch_messages),
            "kafka.fetch.max.wait.ms": "20",
        }
        return spark.readStream.format("kafka").options(**options).load()
    return spark.readStream.format("delta").option("maxFilesPerTrigger", "1000").load(lake.path(stage.reads))
