"""The whole flow: what each stream reads, the function it applies, and how it writes. Building it starts nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame

from pipeline import bronze, gold, scoring, silver
from pipeline.anomalies import LIMITS
from pipeline.late import Again
from pipeline.settings import Settings
from pipeline.sinks import Append, Merge
from pipeline.tables import (
    ANOMALY_ALERTS,
    BRONZE,
    FLIGHT_PHASE_COUNTS,
    FLIGHTS_ML,
    PHASE_PREDICTIONS,
    QUARANTINE,
    Table,
    lake_of,
)

Layer = Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Topic:
    """The Kafka topic, as something a stream reads."""

    name: str


@dataclass(frozen=True)
class Stage:
    """One stream; `every_ms` milliseconds at least from one batch to the next.

    With `from_now` it begins with what the table gets from its first start on, not with all that is there.
    """

    name: str
    reads: Topic | Table
    layer: Layer
    sink: Append | Merge
    every_ms: int
    from_now: bool = False


def stages(settings: Settings) -> tuple[Stage, ...]:
    """Every stream of the pipeline, in the order that data takes."""
    topic, limits, soon = Topic(settings.topic), LIMITS[settings.limits], settings.trigger_ms
    scored = scoring.predictions(lake_of(settings))
    phases = Merge(FLIGHT_PHASE_COUNTS, ("window_start", "flight_phase"), Again(gold.flight_phase_counts, 1))
    alerts = Merge(ANOMALY_ALERTS, ("window_start", "origin_country"), Again(gold.anomaly_alerts(limits), 5))
    return (
        Stage("bronze", topic, bronze.raw_messages, Append(BRONZE), soon),
        Stage("silver", BRONZE, silver.flights(limits, settings.state_buckets), Append(FLIGHTS_ML), soon),
        Stage("quarantine", BRONZE, silver.rejected, Append(QUARANTINE), settings.quarantine_ms),
        Stage("flight_phase_counts", FLIGHTS_ML, gold.flight_phase_counts, phases, soon),
        Stage("anomaly_alerts", FLIGHTS_ML, gold.anomaly_alerts(limits), alerts, soon),
        Stage("phase_predictions", FLIGHTS_ML, scored, Append(PHASE_PREDICTIONS), 2_000, from_now=True),
    )


STREAMS = ("bronze", "silver", "quarantine", "flight_phase_counts", "anomaly_alerts")
# A stream that needs what `contrail train` makes; without it the pipeline is whole.
OPTIONAL = ("phase_predictions",)
