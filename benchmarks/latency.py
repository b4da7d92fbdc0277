"""Snapshot to Gold: from the moment the feed makes an answer until both Gold tables hold all of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.process_tree import cpu_seconds, peak_memory
from pipeline.serving import Reader
from pipeline.settings import load
from pipeline.supervisor import FEED, Supervisor
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake, Table

AIRCRAFT, INTERVAL_SECONDS, SOONER_SECONDS = 12_000, 15, 5
FOLLOWING_SECONDS = 15  # that the last snapshot has to reach Gold
# After the last batch Spark still compiles, and its Python workers end; what an idle night costs shows after that.
SETTLING_SECONDS, IDLE_SECONDS = 45, 60


@dataclass(frozen=True)
class Latency:
    """Seconds from snapshot to Gold, cores while at it, cores when idle (NaN where that was not asked for), peak memory in MiB."""

    seconds: list[float]
    cores: float
    idle_cores: float
    memory_mib: float

    def percentile(self, share: float) -> float:
        """Seconds within which this share (0 to 100) of the snapshots was in Gold."""
        return float(np.percentile(self.seconds, share))


def measure(
    folder: Path,
    warm_up: int,
    snapshots: int,
    interval_seconds: int = INTERVAL_SECONDS,
    *,
    idle: bool = False,
    **place: str,
) -> Latency:
    """Run the whole stack on a simulated sky; `warm_up` snapshots are not counted. `place`: settings of another lake."""
    settings = load({}, data=str(folder), aircraft=str(AIRCRAFT), interval=str(interval_seconds), **place)
    supervisor = Supervisor(settings, lambda words: print(f"  {words}", flush=True))
    supervisor.open()
    try:
        with peak_memory() as memory:
            supervisor.start()
            _wait_for_silver(supervisor)
            _wait("warm-up", warm_up, interval_seconds)
            before, began = cpu_seconds(), time.time()
            _wait("measuring", snapshots, interval_seconds)
            cores = (cpu_seconds() - before) / (time.time() - began)
            supervisor.stop(FEED).result()
            time.sleep(FOLLOWING_SECONDS)
            idle_cores = _idle_cores() if idle else math.nan
    finally:
        supervisor.close()
    return Latency(delays(supervisor.lake, began), cores, idle_cores, max(memory))


def _idle_cores() -> float:
    time.sleep(SETTLING_SECONDS)
    before = cpu_seconds()
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds() - before) / IDLE_SECONDS


def delays(lake: Lake, since: float) -> list[float]:
    """Seconds from each snapshot that is not older than `since` to the later of the two commits that complete it in Gold."""
    reader = Reader(lake)
    rows = reader.rows(FLIGHTS_ML, "snapshot_timestamp AS at, count(*) AS n", "GROUP BY 1 ORDER BY 1")
    needed = np.cumsum([row["n"] for row in rows])
    by_phase = _completed(lake, FLIGHT_PHASE_COUNTS, needed)
    by_country = _completed(lake, ANOMALY_ALERTS, needed * 5)
    at = np.array([row["at"].timestamp() for row in rows])
    return list((np.maximum(by_phase, by_country) - at)[at >= since])


def _completed(lake: Lake, table: Table, needed: np.ndarray) -> np.ndarray:
    """When (s since 1970) the table held so many observations for the first time."""
    commits, totals = [], []
    for commit in reversed(lake.open(table).history()):
        version = int(commit["version"])
        commits.append(commit["timestamp"] / 1000)
        reader = Reader(lake)
        reader.load(table, version)
        totals.append(reader.one(table, "coalesce(sum(observations), 0) AS n")["n"])
    place = np.searchsorted(totals, needed)
    return np.array([commits[one] if one < len(commits) else np.inf for one in place])


def _wait_for_silver(supervisor: Supervisor) -> None:
    while not supervisor.status()["parts"]["silver"]["rows_total"]:
        time.sleep(1)


def _wait(what: str, snapshots: int, interval_seconds: int) -> None:
    for number in range(snapshots):
        print(f"  {what}: {number + 1} of {snapshots}", flush=True)
        time.sleep(interval_seconds)
