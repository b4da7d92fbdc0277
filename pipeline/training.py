"""The one batch job: models that imitate the phase rule, judged without the leaks of the classical way.

The label is computed from two of the features, and reports of one aircraft are alike. So the aircraft are divided, and time
is: the honest test has other aircraft, later. Each model is also judged on reports that share its aircraft, its time, or both,
which shows how much either flatters; and models without the rule's inputs show what the others owe to them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from pipeline import phase_model
from pipeline.errors import LakeError, TrainingError
from pipeline.evaluation import Matrix
from pipeline.experiment import (
    ALL,
    FEATURE_SETS,
    FEATURES,
    FOREST,
    HONEST,
    LATER,
    MAJORITY,
    OTHERS,
    SAME_BOTH,
    TESTS,
    THRESHOLDS,
    TRAIN,
)
from pipeline.serving import Reader, between
from pipeline.tables import FLIGHTS_ML, Lake

LEAST_ROWS, LEAST_AIRCRAFT = 500, 20
EARLY, TEST_AIRCRAFT, HELD_OUT = 0.7, 0.25, 0.2  # shares: of the rows by time, of the aircraft, of the training's rows
PARTS = 2  # Spark draws its random numbers a partition, so their number belongs to the result
BUCKETS = 1_000_000
CLASSICAL_SEED = 42


@dataclass(frozen=True)
class Plan:
    """What to train on, and how much: `rows` at most, in [since, until), each model once for each of `seeds` seeds."""

    since: datetime | None = None
    until: datetime | None = None
    rows: int = 50_000
    seed: int = 42
    seeds: int = 5
    trees: int = 100
    depth: int = 10
    rounds: int = 20


@dataclass(frozen=True)
class Trial:
    """One trained model: what it saw, and its confusion on each of `TESTS`."""

    features: str
    learner: str
    seed: int
    seconds: float
    matrices: dict[str, Matrix]


@dataclass(frozen=True)
class Classic:
    """The classical way: rows with a missing feature dropped, the others divided at random."""

    train_rows: int
    dropped: dict[str, int]
    matrix: Matrix


@dataclass(frozen=True)
class Data:
    """The rows that a training uses, and what is told of them."""

    rows: DataFrame
    version: int
    of: int
    used: int
    aircraft: int
    cut: int
    since: int
    until: int
    phases: dict[str, int]
    missing: dict[str, int]


def check(lake: Lake, plan: Plan) -> None:
    """Whether there is enough in Silver, before Spark is started. Raises TrainingError with the cure, LakeError without a table."""
    reader = Reader(lake)
    if reader.refresh(FLIGHTS_ML) < 0:
        raise LakeError(
            f"There is no Silver at {lake.path(FLIGHTS_ML)} yet: start the pipeline, and train when it has flown."
        )
    begin, end = plan.since or datetime(1970, 1, 1, tzinfo=UTC), plan.until or datetime(2100, 1, 1, tzinfo=UTC)
    if begin >= end:
        raise TrainingError(f"--since {begin:%Y-%m-%d %H:%M} is not before --until {end:%Y-%m-%d %H:%M}: swap them.")
    if plan.rows < LEAST_ROWS or plan.seed < 0:
        raise TrainingError(
            f"--rows is {plan.rows} and --seed {plan.seed}: at least {LEAST_ROWS} rows and seed 0 are needed."
        )
    found = reader.one(
        FLIGHTS_ML,
        "count(*) AS n, count(DISTINCT icao24) AS aircraft, count(DISTINCT flight_phase) AS phases",
        between(begin, end, "event_timestamp"),
    )
    if found["n"] < LEAST_ROWS or found["aircraft"] < LEAST_AIRCRAFT:
        raise TrainingError(
            f"Silver has {found['n']:,} rows of {found['aircraft']:,} aircraft in this range, too few to train on: "
            f"at least {LEAST_ROWS:,} rows of {LEAST_AIRCRAFT} aircraft are needed; wait, or widen --since and --until."
        )
    if found["phases"] < 2:
        raise TrainingError(
            "All rows in this range have the same flight phase, so there is nothing to learn: widen it."
        )


@contextlib.contextmanager
def prepared(spark: SparkSession, lake: Lake, plan: Plan) -> Iterator[Data]:
    """The rows to train on, kept in memory meanwhile: the same ones for the same version of Silver, plan and seed."""
    version = int(lake.open(FLIGHTS_ML).version())
    kept = spark.read.format("delta").option("versionAsOf", version).load(lake.path(FLIGHTS_ML)).where(within(plan))
    kept = kept.select("event_timestamp", "icao24", "origin_country", "flight_phase", "date", *FEATURES)
    of = kept.count()
    rows = sample(kept, of, plan).repartition(PARTS, "icao24").sortWithinPartitions("icao24", "event_timestamp")
    rows = rows.persist()
    try:
        yield _told(rows, version, of)
    finally:
        rows.unpersist()


def within(plan: Plan) -> Column:
    """The condition for the plan's range of event time."""
    condition = F.lit(True)
    for moment, after in ((plan.since, True), (plan.until, False)):
        if moment is not None:
            at, day = F.lit(moment.astimezone(UTC)), F.lit(moment.astimezone(UTC).date())
            condition &= (F.col("date") >= day) if after else (F.col("date") <= day)
            condition &= (F.col("event_timestamp") >= at) if after else (F.col("event_timestamp") < at)
    return condition


def sample(rows: DataFrame, of: int, plan: Plan) -> DataFrame:
    """At most `plan.rows` of `of` rows, those with the lowest hashes: how the table is cut into files does not matter."""
    if of <= plan.rows:
        return rows
    share = (plan.rows + 5 * plan.rows**0.5) / of
    place = bucket("sample", plan.seed, "icao24", "event_timestamp")
    return rows.where(place < share * BUCKETS).orderBy(place, "icao24", "event_timestamp").limit(plan.rows)


def bucket(purpose: str, seed: int, *columns: str) -> Column:
    """A number from 0 to a million less one, by the hash of some columns and a seed; another purpose gives independent numbers.

    Without one, the rows held out of a sample would be the very rows of lowest hash that the sample consists of.
    """
    values = [F.unix_seconds(name) if name == "event_timestamp" else F.col(name) for name in columns]
    return F.pmod(F.xxhash64(F.lit(purpose), *values, F.lit(seed)), F.lit(BUCKETS))


def _told(rows: DataFrame, version: int, of: int) -> Data:
    at = F.unix_seconds("event_timestamp")
    missing = [F.count_if(F.col(name).isNull()).alias(name) for name in FEATURES]
    told = rows.agg(
        F.count("*").alias("used"),
        F.count_distinct("icao24").alias("aircraft"),
        F.percentile(at, EARLY).alias("cut"),
        F.min(at).alias("since"),
        F.max(at).alias("until"),
        *missing,
    ).first()
    assert told is not None
    phases = {row["flight_phase"]: int(row["count"]) for row in rows.groupBy("flight_phase").count().collect()}
    lacking = {name: int(told[name]) for name in FEATURES}
    if empty := [name for name, count in lacking.items() if count == told["used"]]:
        raise TrainingError(
            f"No row in this range has {', '.join(empty)}: let the pipeline run longer, or widen the range."
        )
    figures = {name: int(told[name]) for name in ("used", "aircraft", "cut", "since", "until")}
    return Data(rows, version, of, phases=phases, missing=lacking, **figures)


def part(data: Data, seed: int) -> Column:
    """Which part a row is in: `TRAIN`, or one of `TESTS`. No aircraft of `HONEST` is in `TRAIN`, and none of its times."""
    others = bucket("aircraft", seed, "icao24") < TEST_AIRCRAFT * BUCKETS
    later = F.unix_seconds("event_timestamp") >= data.cut
    held_out = bucket("held out", seed, "icao24", "event_timestamp") < HELD_OUT * BUCKETS
    return (
        F.when(others & later, HONEST)
        .when(others, OTHERS)
        .when(later, LATER)
        .when(held_out, SAME_BOTH)
        .otherwise(TRAIN)
    )


def divided(data: Data, seed: int) -> tuple[DataFrame, DataFrame]:
    """Rows to train on and rows to test with, each with its `part`. Raises TrainingError when one of them would be empty."""
    rows = data.rows.withColumn("part", part(data, seed))
    counts = {row["part"]: row["count"] for row in rows.groupBy("part").count().collect()}
    if empty := [name for name in (TRAIN, *TESTS) if not counts.get(name)]:
        raise TrainingError(
            f"The split by aircraft and time leaves no row for {' nor '.join(empty)}: more aircraft or a longer range are needed."
        )
    return rows.where(F.col("part") == TRAIN), rows.where(F.col("part") != TRAIN)


def matrices(predicted: DataFrame, column: str | Column = "predicted_phase") -> dict[str, Matrix]:
    """The confusion of each part."""
    said = F.col(column) if isinstance(column, str) else column
    counts = predicted.groupBy("part", "flight_phase", said.alias("said")).count().collect()
    names = {row["part"] for row in counts}
    return {
        name: Matrix.of((row["flight_phase"], row["said"], row["count"]) for row in counts if row["part"] == name)
        for name in names
    }


def tried(data: Data, plan: Plan, features: str, learner: str, seed: int) -> tuple[Trial, PipelineModel]:
    """Train one model with one seed, which also divides the aircraft, and judge it on every test."""
    began = time.monotonic()
    train, test = divided(data, seed)
    made = (
        phase_model.forest(plan.trees, plan.depth, seed)
        if learner == FOREST
        else phase_model.boosting(plan.rounds, seed)
    )
    model = phase_model.pipeline(FEATURE_SETS[features], made).fit(train)
    found = matrices(model.transform(test))
    return Trial(features, learner, seed, time.monotonic() - began, found), model


def baselines(data: Data, seed: int) -> list[Trial]:
    """What needs no model: the phase that the training has most of, and the thresholds on what a model sees."""
    train, test = divided(data, seed)
    most = train.groupBy("flight_phase").count().orderBy(F.desc("count"), "flight_phase").first()
    assert most is not None
    said = {MAJORITY: F.lit(most["flight_phase"]), THRESHOLDS: phase_model.threshold_rule()}
    return [Trial(ALL, name, seed, 0.0, matrices(test, column)) for name, column in said.items()]


def as_in_the_classic(data: Data, plan: Plan) -> Classic:
    """The classical way, leaks and all: all seven features, rows that lack one dropped, 80 to 20 at random."""
    whole = data.rows.dropna(subset=list(FEATURES))
    kept = {row["flight_phase"]: int(row["count"]) for row in whole.groupBy("flight_phase").count().collect()}
    train, test = whole.randomSplit([0.8, 0.2], seed=CLASSICAL_SEED)
    model = phase_model.classical_pipeline(phase_model.forest(plan.trees, plan.depth, CLASSICAL_SEED)).fit(train)
    index: Any = model.stages[0]
    labels = [str(name) for name in index.labels]
    names = F.array(*map(F.lit, labels))
    said = F.element_at(names, (F.col("prediction") + 1).cast("int"))
    found = matrices(model.transform(test).withColumn("part", F.lit("random")), said)
    dropped = {name: count - kept.get(name, 0) for name, count in data.phases.items()}
    return Classic(sum(kept.values()) - found["random"].rows, dropped, found["random"])
