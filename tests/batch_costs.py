"""What a batch of a stream costs in things that can be counted, whatever the machine is busy with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py4j.java_gateway import GatewayClient
from py4j.protocol import MEMORY_COMMAND_NAME
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from pipeline import spark as engine
from pipeline.graph import Stage
from pipeline.settings import Settings
from pipeline.tables import Lake


@dataclass(frozen=True)
class Costs:
    """One batch of one stream: counts, and bytes written; `calls` are the driver's Python calling the JVM."""

    jobs: int
    tasks: int
    table_files: int
    log_files: int
    checkpoint_files: int
    calls: int
    python_steps: tuple[str, ...]
    table_bytes: int
    checkpoint_bytes: int
    to_python_bytes: int
    from_python_bytes: int


def of_a_batch(spark: SparkSession, stage: Stage, lake: Lake, settings: Settings) -> Costs:
    """Let a stream take what is there, which has to be one batch, and count."""
    assert settings.kafka is not None
    table, checkpoint = Path(lake.path(stage.sink.table)), Path(lake.checkpoint(stage.name))
    tables_before, checkpoint_before = sizes(table), sizes(checkpoint)
    with calls_counted() as calls:
        query = engine.start(spark, stage, lake, settings, settings.kafka, once=True)
        query.awaitTermination()
    new = {path: size for path, size in sizes(table).items() if path not in tables_before}
    data = {path: size for path, size in new.items() if path.suffix == ".parquet"}
    kept = {path: size for path, size in sizes(checkpoint).items() if path not in checkpoint_before}
    jobs = batch_jobs(spark, query)
    steps = python_steps(query)
    return Costs(
        jobs=len(jobs),
        tasks=sum(tasks(spark, job) for job in jobs),
        table_files=len(data),
        log_files=len(new) - len(data),
        checkpoint_files=len(kept),
        calls=len(calls),
        python_steps=tuple(name for name, *_ in steps),
        table_bytes=sum(data.values()),
        checkpoint_bytes=sum(kept.values()),
        to_python_bytes=sum(sent for _, sent, _ in steps),
        from_python_bytes=sum(received for *_, received in steps),
    )


def batch_jobs(spark: SparkSession, query: StreamingQuery) -> list[int]:
    """The Spark jobs of a query's batches; those with which it only starts (`batch = init`) left out."""
    store = spark.sparkContext._jsc.sc().statusStore()
    jobs = spark.sparkContext.statusTracker().getJobIdsForGroup(str(query.runId))
    return [job for job in jobs if "batch = init" not in store.job(job).description().get()]


def tasks(spark: SparkSession, job: int) -> int:
    """The tasks that a job ran; stages that it could skip have none."""
    tracker = spark.sparkContext.statusTracker()
    told = tracker.getJobInfo(job)
    assert told is not None
    stages = [tracker.getStageInfo(stage) for stage in told.stageIds]
    return sum(stage.numCompletedTasks for stage in stages if stage is not None)


def python_steps(query: StreamingQuery) -> list[tuple[str, int, int]]:
    """Each step of the last batch's plan that hands rows to a Python worker: its name, bytes sent and received."""
    steps, left = [], [query._jsq.streamingQuery().lastExecution().executedPlan()]
    while left:
        node = left.pop()
        metrics, children = node.metrics(), node.children()
        left += [children.apply(place) for place in range(children.size())]
        # A state store's own step has the same metrics, and no worker.
        if metrics.contains("pythonDataSent") and "StateStore" not in node.nodeName():
            both = ("pythonDataSent", "pythonDataReceived")
            sent, received = (int(metrics.apply(name).value()) for name in both)
            steps.append((node.nodeName(), sent, received))
    return steps


@contextmanager
def calls_counted() -> Iterator[list[str]]:
    """Every call of the JVM from a thread that is not this one, the garbage collector's aside: those of `foreachBatch`."""
    calls: list[str] = []
    here, send = threading.get_ident(), GatewayClient.send_command

    def counted(client: GatewayClient, command: str, *rest: Any, **options: Any) -> Any:
        if threading.get_ident() != here and not command.startswith(MEMORY_COMMAND_NAME):
            calls.append(command)
        return send(client, command, *rest, **options)

    GatewayClient.send_command = counted
    try:
        yield calls
    finally:
        GatewayClient.send_command = send


def sizes(folder: Path) -> dict[Path, int]:
    """Every file below a folder and its size in bytes."""
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
