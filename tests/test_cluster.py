"""The same streams on a Spark cluster of separate processes, with the lake on S3: the tables come out as the rules say."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest

from pipeline import cluster
from pipeline.broker import free_port, is_open
from pipeline.drill.processes import contrail, finished, started, wait_until
from pipeline.drill.s3_server import S3Server
from pipeline.errors import SettingError
from pipeline.settings import load
from pipeline.tables import Lake
from tests.comparison import assert_tables_equal_oracle
from tests.small_sky import recorded


@pytest.fixture
def master(tmp_path: Path) -> Iterator[str]:
    """A standalone master and two workers of one core each, as processes of their own; they know nothing of Contrail."""
    home = Path(pyspark.__file__).parent
    environment = {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    environment |= {"SPARK_NO_DAEMONIZE": "1", "SPARK_DAEMON_MEMORY": "256m", "PYTHONPATH": ""}
    program, port = str(home / "bin" / "spark-class"), free_port()
    address, name = f"spark://127.0.0.1:{port}", "org.apache.spark.deploy"
    here = ["--host", "127.0.0.1", "--webui-port", "0"]
    with contextlib.ExitStack() as running:
        command = [program, f"{name}.master.Master", *here, "--port", str(port)]
        running.enter_context(started(command, environment, tmp_path / "master.log"))
        wait_until(lambda: is_open(port), 60, "the master listens")
        for number in range(2):
            folder = tmp_path / f"worker-{number}"
            command = [
                program,
                f"{name}.worker.Worker",
                *here,
                "--cores",
                "1",
                "--memory",
                "1g",
                "-d",
                str(folder),
                address,
            ]
            running.enter_context(started(command, environment, tmp_path / f"worker-{number}.log"))
        registered = "Registering worker"
        wait_until(lambda: (tmp_path / "master.log").read_text().count(registered) == 2, 60, "both workers are there")
        yield address


def test_a_cluster_with_the_lake_on_s3_gives_the_same_tables(tmp_path, master, own_s3_server: S3Server):
    recording = recorded(tmp_path / "sky.jsonl.gz", 45)
    environment = own_s3_server.environment("sky") | {
        "CONTRAIL_DATA": str(tmp_path / "data"),
        "CONTRAIL_S3_CREATE_BUCKET": "yes",
        "CONTRAIL_SPARK_MASTER": master,
        "CONTRAIL_EXECUTOR_MEMORY": "512m",
    }
    again = ("run", "--source", "replay", "--file", str(recording), "--speed", "0", "--exit-when-done")
    ran = finished(contrail(*again), environment, tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(list(tmp_path.glob("worker-*/app-*/*/pipeline.zip"))) == 2, "both executors got the package"
    audited = finished(contrail("audit", "--source", "replay"), environment, tmp_path)
    assert audited.returncode == 0, audited.stdout
    assert len(assert_tables_equal_oracle(Lake("s3a://sky/sky", own_s3_server.access))) > 1000


def test_the_package_for_the_executors_can_be_imported_alone(tmp_path: Path):
    packed = cluster.package(tmp_path)
    assert "pipeline/sources/quota.py" in zipfile.ZipFile(packed).namelist()
    told = subprocess.run(
        [sys.executable, "-c", "import pipeline.silver; print(pipeline.__file__)"],
        env=os.environ | {"PYTHONPATH": str(packed)}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert told.stdout.strip() == f"{packed}/pipeline/__init__.py", told.stderr


def test_a_cluster_on_other_hosts_needs_a_kafka_that_they_reach():
    with pytest.raises(SettingError, match="set CONTRAIL_KAFKA"):
        load({}, spark_master="spark://spark:7077", driver_host="driver")
