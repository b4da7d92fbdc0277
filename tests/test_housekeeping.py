"""Housekeeping in the driver: begun when due, ended for a reset, and a feed that waits while the disk's budget is used up."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from pipeline import housekeeping, ops
from pipeline.drill.processes import wait_until
from pipeline.errors import LakeError
from pipeline.housekeeping import Housekeeping
from pipeline.supervisor import BEAT_SECONDS, FEED, Supervisor
from pipeline.tables import FLIGHTS_ML
from tests.small_lake import flight, put

OFTEN = 1 / 600  # minutes: a tenth of a second


def test_a_round_is_begun_when_it_is_due_and_ended_when_a_reset_needs_the_tables(spark, settings, lake):
    for second in range(20):
        put(lake, FLIGHTS_ML, flight(second, "abc123"))
    kept = Housekeeping(lake, replace(settings, maintenance_minutes=OFTEN))
    kept.tend(None, settings.kafka)
    assert kept.told is None
    time.sleep(0.2)
    kept.tend(spark, settings.kafka)
    assert kept._thread is not None
    with kept.still():
        assert not kept._thread.is_alive()
        assert len(lake.open(FLIGHTS_ML).file_uris()) in (1, 20)
    time.sleep(0.2)
    kept.tend(spark, settings.kafka)
    kept._thread.join()
    assert kept.told is not None
    assert kept.told["trouble"] == []
    assert kept.told == ops.read(lake, ops.MAINTENANCE)
    assert len(lake.open(FLIGHTS_ML).file_uris()) == 1


def test_a_disk_that_could_not_be_looked_at_is_not_looked_at_again_at_once(settings, lake, monkeypatch):
    def broken(*_):
        raise LakeError("The S3 does not answer.")

    monkeypatch.setattr(housekeeping.disk, "used", broken)
    kept = Housekeeping(lake, replace(settings, disk_budget_gb=1.0, maintenance_minutes=0))
    kept.tend(None, "")
    assert kept._thread is not None
    kept._thread.join()
    assert kept._measure_due - time.monotonic() > housekeeping.MEASURE_SECONDS - 5


def test_the_next_driver_waits_for_the_rest_of_the_hour(settings, lake):
    ops.write(lake, ops.MAINTENANCE, {"at": time.time() - 1200})
    kept = Housekeeping(lake, settings)
    kept.tend(None, "")
    assert 2300 < kept._due - time.monotonic() < 2400
    ops.write(lake, ops.MAINTENANCE, {"at": time.time() - 86_400})
    late = Housekeeping(lake, settings)
    late.tend(None, "")
    assert 50 < late._due - time.monotonic() <= housekeeping.SETTLE_SECONDS
    never = Housekeeping(lake, replace(settings, maintenance_minutes=0))
    never.tend(None, "")
    assert never._thread is None


def test_a_feed_waits_while_the_budget_is_used_up_and_goes_on_when_there_is_room(settings, lake, monkeypatch):
    monkeypatch.setattr(housekeeping, "MEASURE_SECONDS", 0.2)
    large = Path(settings.data_folder) / "large"
    driver = Supervisor(replace(settings, disk_budget_gb=0.05, interval=0.5, aircraft=20), lambda words: None)
    driver.open()
    try:
        driver.start(FEED)
        wait_until(lambda: feed(driver)["state"] == "running", 60, "the feed runs")
        large.write_bytes(b"x" * 60_000_000)
        wait_until(lambda: feed(driver)["state"] == "failed", 60, "the feed stops")
        time.sleep(3 * BEAT_SECONDS)
        assert "CONTRAIL_DISK_BUDGET_GB" in feed(driver)["cause"], "the cause stays while it waits"
        large.unlink()
        wait_until(lambda: feed(driver)["state"] == "running", 60, "the feed goes on")
    finally:
        driver.close()


def feed(driver: Supervisor) -> dict:
    return driver.status()["parts"][FEED]
