"""One and two executors of a Spark cluster on this machine, the lake on S3: the same backlog, one after the other in one run."""

from __future__ import annotations

from pathlib import Path

from benchmarks import backlog
from pipeline.drill.s3_server import S3Server
from pipeline.drill.standalone import spark_cluster


def measure(folder: Path, messages: int) -> list[backlog.Backlog]:
    """A backlog through one executor of one core, then through two. The CPU time is that of everything, cluster and S3 included."""
    return [_through(folder / f"{executors}", messages, executors) for executors in (1, 2)]


def _through(folder: Path, messages: int, executors: int) -> backlog.Backlog:
    server = S3Server(folder / "server")
    server.start()
    try:
        with spark_cluster(folder, executors) as master:
            place = {**server.settings("sky"), "s3_create_bucket": "yes"}
            return backlog.measure(folder, messages, spark_master=master, executor_memory="768m", **place)
    finally:
        server.kill()
