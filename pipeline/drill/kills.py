"""Processes that die: the driver, its JVM, its broker, its Python workers."""

from __future__ import annotations

import random
import time
from contextlib import suppress

import psutil

from pipeline.drill.case import Case, Extent
from pipeline.drill.processes import wait_until
from pipeline.drill.rig import Rig
from pipeline.errors import DrillError

LATEST_SECONDS = 4.0
ROUNDS = 3


def driver(rig: Rig, extent: Extent) -> str:
    """Under load, each time at a random moment; every other time before the streams have come far."""
    chance, seconds = random.Random(1), 0.0
    for number in range(extent.kills):
        time.sleep(chance.uniform(0, LATEST_SECONDS))
        rig.kill()
        began, before = time.monotonic(), rig.counted()
        rig.launch()
        if number % 2 and number + 1 < extent.kills:
            wait_until(lambda: rig.part("silver")["state"] == "running", 120, "the streams start")
        else:
            rig.wait_for_gold(before)
            seconds = max(seconds, time.monotonic() - began)
    return f"killed {extent.kills} times, ended its children each time, went on from the checkpoints within {seconds:.0f} s"


def broker(rig: Rig, extent: Extent) -> str:
    """And its return."""
    (kafka,) = rig.children("kafka.Kafka")
    kafka.kill()
    wait_until(lambda: rig.servers() != "" and rig.children("kafka.Kafka") != [], 90, "the broker is started again")
    return "started again on its port; the feed waited and sent what it held"


def workers(rig: Rig, extent: Extent) -> str:
    """In the middle of batches."""
    chance, killed = random.Random(2), 0
    rounds = ROUNDS if extent.slow else 1
    for _ in range(rounds):
        wait_until(lambda: rig.children("pipeline.workers") != [], 60, "Python workers run")
        time.sleep(chance.uniform(0, 1))
        for worker in rig.children("pipeline.workers"):
            with suppress(psutil.NoSuchProcess):
                worker.kill()
                killed += 1
        rig.mended()
    return f"{killed} workers killed in {rounds} rounds; the batch in hand was taken again"


def jvm(rig: Rig, extent: Extent) -> str:
    """Spark's JVM, and with it every stream."""
    (spark,) = rig.children("SparkSubmit")
    spark.kill()
    wait_until(lambda: rig.part("silver")["state"] in ("failed", "starting"), 30, "the dead JVM is noticed")
    return "noticed at once, another JVM started, the streams went on"


def sigterm(rig: Rig, extent: Extent) -> str:
    """While the streams are busy with a backlog."""
    rounds = ROUNDS if extent.slow else 1
    for _ in range(rounds):
        rig.flow.pause()
        rig.flow.burst(40)
        time.sleep(0.7)
        code = rig.terminate()
        if code != 0:
            raise DrillError(f"The driver ended with code {code}.")
        rig.flow.go()
        rig.launch()
        rig.mended()
    return f"{rounds} times: ended in order with code 0 and went on when it was started again"


def two_drivers(rig: Rig, extent: Extent) -> str:
    """The second beside a running one; then both at the same moment."""
    refused = rig.call("run", "--no-feed")
    assert rig.driver is not None
    if refused.returncode != 1 or f"driven by process {rig.driver.pid}" not in refused.stderr:
        raise DrillError(f"A second driver was not refused: {refused.stderr}")
    return "the second was refused with the first one's process"


CASES = (
    Case("driver", "kill -9 of the driver at random moments under load", driver),
    Case("jvm", "kill -9 of Spark's JVM", jvm),
    Case("broker", "kill -9 of the embedded broker", broker),
    Case("workers", "kill -9 of Spark's Python workers", workers),
    Case("sigterm", "SIGTERM in the middle of a batch", sigterm),
    Case("two-drivers", "two drivers at once", two_drivers),
)
