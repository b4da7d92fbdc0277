"""The same streams on a Spark cluster of separate processes, with the lake on S3: the tables come out as the rules say."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.standalone import spark_cluster
from pipeline import cluster
from pipeline.drill.processes import contrail, finished
from pipeline.drill.s3_server import S3Server
from pipeline.errors import SettingError
from pipeline.settings import load
from pipeline.tables import Lake
from tests.comparison import assert_tables_equal_oracle
from tests.small_sky import recorded


@pytest.fixture
def master(tmp_path: Path) -> Iterator[str]:
    """A cluster of two executors."""
    with spark_cluster(tmp_path, 2) as address:
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
