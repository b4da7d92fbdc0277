"""The SQL explorations by Spark, in a short session of their own: for the command line alone, the pages never load this."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from explore.queries import QUERIES
from pipeline import spark as engine
from pipeline.serving import as_pandas, between
from pipeline.settings import Settings
from pipeline.tables import FLIGHTS_ML, Lake, lake_of

PATIENCE_SECONDS = 20.0


@contextmanager
def session(settings: Settings, say: Callable[[str], Any]) -> Iterator[SparkSession]:
    """A Spark session beside a running pipeline's: it shares the lake with it and no folder. Raises JavaError or JarError."""
    with tempfile.TemporaryDirectory(prefix="contrail-explore-") as folder:
        own = dataclasses.replace(settings, data=folder, lake=lake_of(settings).root)
        made = engine.session(own, say)
        try:
            yield made
        finally:
            made.stop()
            engine.end_jvm(PATIENCE_SECONDS)


def prepare(
    spark: SparkSession,
    lake: Lake,
    version: int,
    since: datetime,
    until: datetime,
    countries: Sequence[str] = (),
    phases: Sequence[str] = (),
) -> None:
    """Make the view `flights` that the queries read: rows of a version of Silver in [since, until)."""
    flights = spark.read.format("delta").option("versionAsOf", version).load(lake.path(FLIGHTS_ML))
    flights = flights.where(between(since, until, "event_timestamp").removeprefix("WHERE "))
    for column, names in (("origin_country", countries), ("flight_phase", phases)):
        flights = flights.where(F.col(column).isin(list(names))) if names else flights
    seconds = F.unix_timestamp("event_timestamp").cast("double")
    flights.withColumn("event_seconds", seconds).createOrReplaceTempView("flights")


def answered(spark: SparkSession, name: str) -> pd.DataFrame:
    """The rows of a query over the view `flights`; KeyError when there is no such query."""
    return as_pandas(spark.sql(QUERIES[name].text).toArrow())
