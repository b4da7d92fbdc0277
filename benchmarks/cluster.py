"""One and two executors of a Spark cluster on this machine, the lake on S3: the same backlog through each."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import backlog
from benchmarks.s3 import lake_on_s3
from benchmarks.standalone import spark_cluster

EXECUTORS = (1, 2)


def measure(folder: Path, messages: int) -> list[backlog.Backlog]:
    """A backlog through one executor of one core, then through two, each in a process of its own.

    The CPU time is that of everything, cluster and S3 server included. Raises subprocess.CalledProcessError.
    """
    return [_alone(folder / f"{executors}", messages, executors) for executors in EXECUTORS]


def _alone(folder: Path, messages: int, executors: int) -> backlog.Backlog:
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", __name__, str(folder), str(messages), str(executors)], check=True)
    return backlog.Backlog(**json.loads((folder / "found.json").read_text()))


def through(folder: Path, messages: int, executors: int) -> backlog.Backlog:
    """A backlog through so many executors; all that takes part is below this process."""
    with lake_on_s3(folder) as place, spark_cluster(folder, executors) as master:
        return backlog.measure(folder, messages, spark_master=master, executor_memory="768m", **place)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    (place / "found.json").write_text(json.dumps(asdict(through(place, int(sys.argv[2]), int(sys.argv[3])))))
