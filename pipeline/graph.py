"""The whole flow: what each stream reads, the function it applies, and how it writes. Building it starts nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame

from pipeline import bronze, gold, silver
from pipeline.anomalies import LIMITS
from pipeline.settings import Settings
from pipeline.sinks import Append, Merge
from pipeline.tables import ANOMALY_ALERTS, BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, QUARANTINE, Table

Layer = Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Topic:
    """The Kafka topic, as something a stream reads."""

    name: str


@dataclass(frozen=True)
class Stage:
    """One stream; `every_ms` milliseconds at least from one batch to the next."""

    name: str
    reads: Topic | Table
    layer: Layer
    sink: Append | Merge
    every_ms: int


def stages(settings: Settings) -> tuple[Stage, ...]:
    """Every stream of the pipeline, in the order that data takes."""
    topic, limits, soon = Topic(settings.topic), LIMITS[settings.limits], settings.trigger_ms
    by_phase, by_country = ("window_start", "flight_phase"), ("window_start", "origin_country")
    return (
        Stage("bronze", topic, bronze.raw_messages, Append(BRONZE), soon),
        Stage("silver", BRONZE, silver.flights(limits, settings.state_buckets), Append(FLIGHTS_ML), soon),
        Stage("quarantine", BRONZE, silver.rejected, Append(QUARANTINE), 30_000),
        Stage("flight_phase_counts", FLIGHTS_ML, gold.flight_phase_counts, Merge(FLIGHT_PHASE_COUNTS, by_phase), soon),
        Stage("anomaly_alerts", FLIGHTS_ML, gold.anomaly_alerts(limits), Merge(ANOMALY_ALERTS, by_country), soon),
    )


STREAMS = ("bronze", "silver", "quarantine", "flight_phase_counts", "anomaly_alerts")
