"""A backlog through all streams: messages per CPU-second of the whole stack, its start included or in one that has run."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.process_tree import cpu_seconds, peak_memory
from pipeline.audit import audit
from pipeline.settings import load
from pipeline.sources import Answer
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
    """Fill Kafka first, with the streams stopped; then time the streams alone, their JVM's start included. The lake stays below `folder`.

    `place`: settings of another lake or cluster.
    """
    return in_turn(folder, messages, 1, aircraft, interval_seconds, **place)[0]


def in_turn(
    folder: Path,
    messages: int,
    times: int,
    aircraft: int = AIRCRAFT,
    interval_seconds: int = INTERVAL_SECONDS,
    **place: str,
) -> list[Backlog]:
    """Several backlogs, one after another: all but the first come while the streams are stopped in a stack that has run."""
    recording = folder / "backlog.jsonl"
    recording.parent.mkdir(parents=True, exist_ok=True)
    settings = load({}, data=str(folder / "data"), source="replay", file=str(recording), speed="0", **place)
    sky = Sky(aircraft, seed=3)
    answers = (sky.answer(moment) for moment in itertools.count(START, interval_seconds))
    supervisor = Supervisor(settings, lambda words: print(f"  {words}", flush=True))
    _record(recording, messages, answers)  # the supervisor looks at the recording when it opens
    supervisor.open()
    try:
        found = [_through(supervisor)]
        for _ in range(times - 1):
            _record(recording, messages, answers)
            found.append(_through(supervisor))
    finally:
        supervisor.close()
    accounted_for = audit(supervisor.lake).settled
    return [Backlog(*one, accounted_for) for one in found]


def _through(supervisor: Supervisor) -> tuple[int, float, float, float]:
    """Messages, seconds, CPU-seconds and MiB that it takes to bring the recording to Gold."""
    supervisor.start(FEED).result()
    while not supervisor.feed_ended():
        time.sleep(0.5)
    sent = supervisor.status()["parts"][FEED]["rows_total"]
    with peak_memory() as memory:
        before, began = cpu_seconds(), time.time()
        supervisor.start(*STREAMS).result()
        while not supervisor.streams_run():
            time.sleep(0.2)
        supervisor.drain().result()
        wall, spent = time.time() - began, cpu_seconds() - before
    return sent, wall, spent, max(memory)


def _record(path: Path, messages: int, answers: Iterator[Answer]) -> None:
    """Write the next answers that have so many messages together, in place of what the file held."""
    written = 0
    with path.open("wb") as file:
        while written < messages:
            answer = next(answers)
            file.write(orjson.dumps({"time": answer.time, "states": answer.states}) + b"\n")
            written += len(answer.states)
