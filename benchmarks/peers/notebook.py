"""The usual Spark notebook: Kafka to Bronze, `foreachBatch` with `lag` inside to Silver, JVM MERGE into Gold, default settings.

It is given Contrail's rules, so that what differs is the notebook's way and not its arithmetic; and a batch of Silver is a batch
of messages, as it is live. What it gets wrong is written as such notebooks are written: see docs/decisions/peers.md.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from pipeline import jars
from pipeline import spark as engine
from pipeline.settings import load
from pipeline.tables import ANOMALY_ALERTS, BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake, Table

MESSAGE = (
    "icao24 STRING, callsign STRING, origin_country STRING, time_position LONG, last_contact LONG, longitude DOUBLE, "
    "latitude DOUBLE, baro_altitude DOUBLE, on_ground BOOLEAN, velocity DOUBLE, true_track DOUBLE, vertical_rate DOUBLE, "
    "geo_altitude DOUBLE, squawk STRING, category INT, time LONG"
)


def session(folder: Path) -> SparkSession:
    """Spark as it comes, but for the two settings that Delta Lake needs and the memory that Contrail has too."""
    settings = load({})
    files = [str(path) for path in jars.jars("spark", settings.cache_folder, print)]
    os.environ.update(JAVA_HOME=str(Path(jars.java()).resolve().parent.parent), PYSPARK_PYTHON=sys.executable)
    builder = SparkSession.builder.master("local[2]").appName("notebook")
    for name, value in {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.extraClassPath": os.pathsep.join(files),
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.local.dir": str(folder / "scratch"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


class Notebook:
    """Its cells, one after the other."""

    def __init__(self, spark: SparkSession, lake: Lake) -> None:
        self.spark, self.lake = spark, lake

    def bronze(self, servers: str, topic: str, most: str) -> None:
        source = self.spark.readStream.format("kafka").option("kafka.bootstrap.servers", servers)
        source = (
            source.option("subscribe", topic).option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", most)
        )
        rows = source.load().withColumn("ingest_date", F.to_date("timestamp"))
        writer = rows.writeStream.format("delta").option("checkpointLocation", self.lake.checkpoint("bronze"))
        writer.trigger(availableNow=True).start(self.lake.path(BRONZE)).awaitTermination()

    def silver(self) -> None:
        # A file of Bronze is a batch of messages: live, each batch is taken as it comes.
        rows = self.spark.readStream.format("delta").option("maxFilesPerTrigger", "1").load(self.lake.path(BRONZE))
        writer = rows.writeStream.foreachBatch(self.enrich).option("checkpointLocation", self.lake.checkpoint("silver"))
        writer.trigger(availableNow=True).start().awaitTermination()

    def enrich(self, batch: DataFrame, _: int) -> None:
        rows = cleaned(batch).dropDuplicates(["icao24", "event_timestamp"])
        rows = with_history(rows)
        merge(self.spark, self.lake, FLIGHTS_ML, rows, ("icao24", "event_timestamp"), update=False)

    def phase_counts(self) -> None:
        grouped = self.silver_stream().groupBy(F.window("event_timestamp", "1 minute"), "flight_phase")
        counts = grouped.agg(
            F.count("icao24").alias("aircraft"),
            F.avg("altitude_meters").alias("avg_altitude_meters"),
            F.avg("velocity_kmh").alias("avg_velocity_kmh"),
        ).fillna(0)
        self.gold(counts, FLIGHT_PHASE_COUNTS, "flight_phase")

    def alerts(self) -> None:
        grouped = self.silver_stream().groupBy(F.window("event_timestamp", "5 minutes", "1 minute"), "origin_country")
        counts = grouped.agg(
            F.approx_count_distinct("icao24").alias("aircraft"),
            F.approx_count_distinct(F.when(F.size("anomalies") > 0, F.col("icao24"))).alias("anomalous_aircraft"),
            F.min("altitude_meters").alias("min_altitude_meters"),
            F.max("altitude_meters").alias("max_altitude_meters"),
            F.avg("altitude_meters").alias("avg_altitude_meters"),
            F.stddev("altitude_meters").alias("stddev_altitude_meters"),
            F.min("velocity_kmh").alias("min_velocity_kmh"),
            F.max("velocity_kmh").alias("max_velocity_kmh"),
            F.avg("velocity_kmh").alias("avg_velocity_kmh"),
            F.stddev("velocity_kmh").alias("stddev_velocity_kmh"),
        ).fillna(0)
        self.gold(counts, ANOMALY_ALERTS, "origin_country")

    def silver_stream(self) -> DataFrame:
        rows = self.spark.readStream.format("delta").option("maxFilesPerTrigger", "1").load(self.lake.path(FLIGHTS_ML))
        return rows.withWatermark("event_timestamp", "10 minutes")

    def gold(self, counts: DataFrame, table: Table, key: str) -> None:
        flat = (
            counts.withColumn("window_start", F.col("window.start"))
            .withColumn("window_end", F.col("window.end"))
            .drop("window")
        )

        def upsert(rows: DataFrame, _: int) -> None:
            merge(self.spark, self.lake, table, rows, ("window_start", key), update=True)

        writer = flat.writeStream.outputMode("update").foreachBatch(upsert)
        writer = writer.option("checkpointLocation", self.lake.checkpoint(table.name))
        writer.trigger(availableNow=True).start().awaitTermination()


def cleaned(raw: DataFrame) -> DataFrame:
    """Messages as columns, in the units of Silver."""
    message = raw.select(F.from_json(F.col("value").cast("string"), MESSAGE).alias("m")).select("m.*")
    return message.filter(F.col("icao24").rlike("^[0-9a-fA-F]{6}$") & F.col("last_contact").isNotNull()).select(
        F.timestamp_seconds("last_contact").alias("event_timestamp"),
        F.lower("icao24").alias("icao24"),
        F.trim("callsign").alias("callsign"),
        "origin_country",
        "longitude",
        "latitude",
        (F.col("velocity") * 3.6).alias("velocity_kmh"),
        F.col("baro_altitude").alias("altitude_meters"),
        F.col("geo_altitude").alias("geo_altitude_meters"),
        "vertical_rate",
        "true_track",
        "on_ground",
        "squawk",
        F.timestamp_seconds("time").alias("snapshot_timestamp"),
        F.to_date(F.timestamp_seconds("last_contact")).alias("date"),
    )


def with_history(rows: DataFrame) -> DataFrame:
    """Previous values, rolling figures, phase and anomalies, by window functions over the batch."""
    one = Window.partitionBy("icao24").orderBy("event_timestamp")
    six = one.rowsBetween(-5, 0)
    before = {
        "previous_timestamp": "event_timestamp",
        "prev_altitude": "altitude_meters",
        "prev_velocity": "velocity_kmh",
    }
    rows = rows.withColumns({name: F.lag(column).over(one) for name, column in before.items()})
    emergency = F.coalesce(F.col("squawk").isin("7500", "7600", "7700") & ~F.col("on_ground"), F.lit(False))
    rows = rows.withColumns(
        {
            "altitude_change": F.coalesce(F.col("altitude_meters") - F.col("prev_altitude"), F.lit(0.0)),
            "velocity_change": F.coalesce(F.col("velocity_kmh") - F.col("prev_velocity"), F.lit(0.0)),
            "observation_rank": F.row_number().over(one),
            "rolling_avg_altitude": F.avg("altitude_meters").over(six),
            "rolling_std_altitude": F.coalesce(F.stddev("altitude_meters").over(six), F.lit(0.0)),
            "rolling_avg_velocity": F.avg("velocity_kmh").over(six),
            "emergency_before": F.coalesce(F.lag(emergency).over(one), F.lit(False)),
        }
    )
    seconds = F.col("event_timestamp").cast("long") - F.col("previous_timestamp").cast("long")
    rate = F.coalesce("vertical_rate", F.col("altitude_change") / seconds)
    reasons = {
        "altitude_high": F.col("altitude_meters") > 13_716,
        "altitude_low": F.col("altitude_meters") < -300,
        "speed_high": F.col("velocity_kmh") > 1_170,
        "vertical_rate": F.abs("vertical_rate") > 30,
        "altitude_mismatch": F.abs(F.col("geo_altitude_meters") - F.col("altitude_meters")) > 1_000,
        "emergency_squawk": emergency & F.col("emergency_before"),
    }
    anomalies = F.array_compact(F.array(*(F.when(holds, reason) for reason, holds in reasons.items())))
    return rows.withColumns({"flight_phase": phase(rate), "anomalies": anomalies}).drop("emergency_before")


def phase(rate: Column) -> Column:
    altitude = F.col("altitude_meters")
    return (
        F.when(F.col("on_ground"), "GROUND")
        .when((rate > 50 / 15) & (altitude < 3_000), "TAKEOFF")
        .when(rate > 20 / 15, "CLIMB")
        .when((F.abs(rate) <= 20 / 15) & (altitude > 8_000), "CRUISE")
        .when(rate < -20 / 15, "DESCENT")
        .otherwise("TRANSITION")
    )


def merge(
    spark: SparkSession, lake: Lake, table: Table, rows: DataFrame, keys: tuple[str, str], *, update: bool
) -> None:
    """MERGE INTO the table, which the first batch makes."""
    path = lake.path(table)
    if not DeltaTable.isDeltaTable(spark, path):
        rows.write.format("delta").save(path)
        return
    same = " AND ".join(f"old.{key} = new.{key}" for key in keys)
    merger = DeltaTable.forPath(spark, path).alias("old").merge(rows.alias("new"), same)
    merger = merger.whenMatchedUpdateAll() if update else merger
    merger.whenNotMatchedInsertAll().execute()


def main(servers: str, topic: str, folder: str, most: str) -> None:
    """Run every cell once."""
    spark = session(Path(folder).parent / "notebook-spark")
    spark.sparkContext.setLogLevel("ERROR")
    notebook = Notebook(spark, Lake(folder))
    notebook.bronze(servers, topic, most)
    notebook.silver()
    notebook.phase_counts()
    notebook.alerts()
    spark.stop()
    engine.end_jvm(60)  # waited for, so that its CPU time is counted


if __name__ == "__main__":
    main(*sys.argv[1:])
