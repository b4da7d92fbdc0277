"""A backlog through all streams: messages per CPU-second of the whole stack, the JVM's start included."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.process_tree import cpu_seconds, peak_memory
from pipeline.audit import audit
from pipeline.settings import load
from pipeline.sources.simulator import Sky
from pipeline.supervisor import FEED, STREAMS, Supervisor

AIRCRAFT, INTERVAL_SECONDS, START = 12_000, 15, 1_790_000_000


@dataclass(frozen=True)
class Backlog:
    """What it took to bring `messages` from Kafka to Gold."""

    messages: int
    wall_seconds: float
    cpu_seconds: float
    memory_mib: float
    accounted_for: bool

    @property
    def per_cpu_second(self) -> float:
        """Messages per CPU-second."""
        return self.messages / self.cpu_seconds


def measure(
    folder: Path, messages: int, aircraft: int = AIRCRAFT, interval_seconds: int = INTERVAL_SECONDS, **place: str
) -> Backlog:
    """Fill Kafka first, with the streams stopped; then time the streams alone. The lake stays below `folder`.

    `place`: settings of another lake or cluster.
    """
    recording = folder / "backlog.jsonl"
    recording.parent.mkdir(parents=True, exist_ok=True)
    _record(recording, messages, aircraft, interval_seconds)
    settings = load({}, data=str(folder / "data"), source="replay", file=str(recording), speed="0", **place)
    supervisor = Supervisor(settings, lambda words: print(f"  {words}", flush=True))
    supervisor.open()
    try:
        supervisor.start(FEED).result()
        while not supervisor.feed_ended():
            time.sleep(0.5)
        sent = supervisor.status()["parts"][FEED]["rows_total"]
        with peak_memory() as memory:
            before, began = cpu_seconds(), time.time()
            supervisor.start(*STREAMS).result()
            while any(supervisor.status()["parts"][name]["state"] != "running" for name in STREAMS):
                time.sleep(0.2)
            supervisor.drain().result()
            wall, spent = time.time() - began, cpu_seconds() - before
    finally:
        supervisor.close()
    return Backlog(sent, wall, spent, max(memory), audit(supervisor.lake).settled)


def _record(path: Path, messages: int, aircraft: int, interval_seconds: int) -> None:
    sky, written, number = Sky(aircraft, seed=3), 0, 0
    with path.open("wb") as file:
        while written < messages:
            answer = sky.answer(START + number * interval_seconds)
            file.write(orjson.dumps({"time": answer.time, "states": answer.states}) + b"\n")
            written, number = written + len(answer.states), number + 1
