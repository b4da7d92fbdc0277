"""What grows with the sky and with the tables' age: CPU of a message, of a start, and of what the dashboards read."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import past
from benchmarks.backlog import AIRCRAFT, START
from benchmarks.peers.race import Run, fill, timed
from pipeline import serving
from pipeline.broker import Broker, create_topic
from pipeline.serving import Reader
from pipeline.settings import load
from pipeline.tables import BRONZE, QUARANTINE, Lake

FLEETS = (1_000, 10_000, 100_000)
AGES = {"1 hour": (timedelta(hours=1), past.AS_WRITTEN)} | {
    f"30 days, {form.name}": (timedelta(days=30), form) for form in (past.COMPACTED, past.AS_WRITTEN)
}
MOST = 350_000
LOOKS, STARTS = 7, 3  # medians of them


@dataclass(frozen=True)
class Point:
    """One sky or age: microseconds of CPU a message; seconds and CPU-seconds of a start with one snapshot; ms of the readers' CPU.

    `cold_ms` is a reader that opens the tables, `warm_ms` one that follows them.
    """

    name: str
    message_us: float
    start_seconds: float
    start_cpu_seconds: float
    memory_mib: float
    files: int = 0
    cold_ms: float = float("nan")
    warm_ms: float = float("nan")


def measure(
    folder: Path, messages: int, fleets: tuple[int, ...] = FLEETS, ages: tuple[str, ...] = tuple(AGES)
) -> list[Point]:
    """Every sky on an empty lake, then one sky on lakes with a past."""
    broker = Broker(folder / "kafka", load({}).cache_folder)
    broker.start()
    try:
        points = [_point(folder, broker.servers, f"{fleet:,} aircraft", fleet, messages, None) for fleet in fleets]
        points += [_point(folder, broker.servers, age, AIRCRAFT, messages, AGES[age]) for age in ages]
    finally:
        broker.stop()
    return points


def _point(
    folder: Path, servers: str, name: str, aircraft: int, messages: int, age: tuple[timedelta, past.Form] | None
) -> Point:
    """First runs that set up, then some with a snapshot (starts), then one with `messages`: the difference is theirs alone."""
    topic = "".join(letter for letter in name if letter.isalnum())
    lake = Lake(str(folder / topic / "lake"))
    create_topic(servers, topic, 1)

    sent = 0

    def run(count: int, first: int) -> tuple[Run, int]:
        nonlocal sent
        messages, following = fill(servers, topic, count, aircraft, first)
        sent += messages
        return timed("contrail", servers, topic, Path(lake.root), messages, MOST), following

    _, following = run(1, 0)
    # That run has reports of up to five minutes before, in windows of five: with the past ending before, no window is written twice.
    until = datetime.fromtimestamp(START, UTC).replace(second=0) - timedelta(minutes=15)
    files = past.write(lake, until, *age) if age else 0
    _, following = run(1, following)
    starts = []
    for _ in range(STARTS):
        start, following = run(1, following)
        starts.append(start)
    start = sorted(starts, key=lambda one: one.cpu_seconds)[STARTS // 2]
    full, _ = run(messages, following)
    _check(lake, topic, sent)
    cost = (full.cpu_seconds - start.cpu_seconds) / (full.messages - start.messages) * 1e6
    cold, warm = reads(lake, until) if age else (float("nan"), float("nan"))
    point = Point(name, cost, start.wall_seconds, start.cpu_seconds, full.memory_mib, files, cold, warm)
    print(f"  {point}", flush=True)
    return point


def _check(lake: Lake, topic: str, sent: int) -> None:
    """Raises RuntimeError unless the streams took exactly what was sent: the past is no message that could be judged."""
    reader = Reader(lake)
    taken = reader.one(BRONZE, "count(*) AS n", f"WHERE topic = '{topic}'")["n"]
    judged = reader.one(QUARANTINE, "count(*) AS n")["n"]
    if taken != sent or judged:
        raise RuntimeError(f"{sent} messages were sent, {taken} taken, and {judged} of the past read again")


def reads(lake: Lake, until: datetime) -> tuple[float, float]:
    """CPU of what the pages read of the last hour before `until`, ms (medians): by a reader that opens the tables, and by one that has."""

    def look(reader: Reader) -> None:
        for table in serving.FOLLOWED:
            reader.refresh(table)
        serving.newest_event(reader, until)
        serving.phase_minutes(reader, until - serving.TREND, until, until)
        serving.trend(reader, until - serving.TREND, until, pd.DataFrame())
        serving.last_alerts(reader, until)

    following = Reader(lake)
    look(following)
    return _median_ms(lambda: look(Reader(lake))), _median_ms(lambda: look(following))


def _median_ms(do: Callable[[], None]) -> float:
    spent = []
    for _ in range(LOOKS):
        began = time.process_time()
        do()
        spent.append(1000 * (time.process_time() - began))
    return float(np.median(spent))


if __name__ == "__main__":
    measure(
        Path(sys.argv[1]), int(sys.argv[2]), tuple(map(int, filter(None, sys.argv[3].split(",")))), tuple(sys.argv[4:])
    )
