"""A Spark standalone cluster of separate processes on this machine, as tests and measurements start and end it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

from pipeline.broker import free_port, is_open
from pipeline.drill.processes import started, wait_until

CLASS = "org.apache.spark.deploy"


@contextmanager
def spark_cluster(folder: Path, workers: int) -> Iterator[str]:
    """The address of a master with so many workers of one core each; they know nothing of Contrail."""
    home = Path(pyspark.__file__).parent
    environment = {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    environment |= {"SPARK_NO_DAEMONIZE": "1", "SPARK_DAEMON_MEMORY": "256m", "PYTHONPATH": ""}
    program, port = str(home / "bin" / "spark-class"), free_port()
    address, log = f"spark://127.0.0.1:{port}", folder / "master.log"
    here = ["--host", "127.0.0.1", "--webui-port", "0"]
    with contextlib.ExitStack() as running:
        master = [program, f"{CLASS}.master.Master", *here, "--port", str(port)]
        running.enter_context(started(master, environment, log))
        wait_until(lambda: is_open(port), 60, "the master listens")
        for number in range(workers):
            place = ["--cores", "1", "--memory", "1g", "-d", str(folder / f"worker-{number}"), address]
            worker = [program, f"{CLASS}.worker.Worker", *here, *place]
            running.enter_context(started(worker, environment, folder / f"worker-{number}.log"))
        wait_until(lambda: log.read_text().count("Registering worker") == workers, 60, "the workers are there")
        yield address
