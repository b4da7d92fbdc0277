"""The supervisor's word while something takes long: it goes on while Spark starts, and stops when its own thread hangs."""

from __future__ import annotations

import threading
import time

from pipeline import ops, supervisor
from pipeline.drill.processes import wait_until
from pipeline.errors import StreamError
from pipeline.supervisor import Supervisor

SOON = 20.0


def told_at(lake) -> float:
    return float((ops.read(lake, ops.STATUS) or {"at": 0})["at"])


def test_a_driver_is_not_silent_while_spark_takes_its_time_and_is_when_it_hangs(settings, lake, monkeypatch):
    monkeypatch.setattr(supervisor, "HUNG_SECONDS", 4.0)
    starting, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        starting.set()
        go_on.wait(60)
        raise StreamError("Spark was not to be started.")

    monkeypatch.setattr("pipeline.spark.session", slow)
    driver = Supervisor(settings, lambda words: None)
    driver.open()
    try:
        driver.start("bronze")
        assert starting.wait(SOON)
        began = time.time()
        wait_until(lambda: told_at(lake) > began + 1, SOON, "its word goes on")
        assert (ops.read(lake, ops.STATUS) or {})["doing"] == "starting Spark"
        wait_until(lambda: time.time() - told_at(lake) > 4, SOON, "its word stops")
        go_on.set()
        wait_until(lambda: time.time() - told_at(lake) < 1, SOON, "its word is back")
        assert (ops.read(lake, ops.STATUS) or {})["trouble"]["cause"] == "Spark was not to be started."
    finally:
        go_on.set()
        driver.close()
    assert (ops.read(lake, ops.STATUS) or {})["doing"] == "stopped"
