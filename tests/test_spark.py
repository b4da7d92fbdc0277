"""Spark's JVM, started and lost in a process of its own: the run's one session is left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from pipeline import jars
from pipeline import spark as engine
from pipeline.settings import load

LOST_AT_ITS_START = """
import sys
from pathlib import Path
from pyspark import SparkContext
from pipeline import spark
from pipeline.settings import load

folder = sys.argv[1]
configuration = spark._configuration(load({}, data=folder), [], [], "")
spark._launch_jvm(configuration, Path(folder, "jvm.log"))
first = spark.jvm_process()
spark.kill_jvm()
SparkContext._gateway.proc.wait()
spark._launch_jvm(configuration, Path(folder, "jvm.log"))
print(spark.jvm_process() != first, SparkContext._jvm.java.lang.Math.abs(-7))
spark.end_jvm(20)
"""


def test_a_jvm_that_died_before_the_session_was_there_is_replaced(tmp_path: Path):
    told = subprocess.run(
        [sys.executable, "-c", LOST_AT_ITS_START, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert told.stdout.split() == ["True", "7"], told.stderr


def test_spark_starts_from_its_archive_of_classes(spark):
    kept = jars.class_archive("spark", load({}).cache_folder)
    assert kept.exists(), "`python -m pipeline.archive` makes it"
    assert str(kept) in {one.path for one in psutil.Process(engine.jvm_process()).memory_maps()}
