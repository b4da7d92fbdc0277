"""The peers in turn on one topic: messages per CPU-second of all their processes and the broker's, memory, and right or wrong rows."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.backlog import AIRCRAFT, INTERVAL_SECONDS, START
from benchmarks.peers.compare import differences, kinds
from benchmarks.process_tree import cpu_seconds, peak_memory
from benchmarks.server import ROOT
from pipeline.broker import Broker, create_topic
from pipeline.producer import Producer
from pipeline.settings import load
from pipeline.sources.simulator import Sky
from pipeline.tables import Lake

TOPIC = "race"
# In the order in which they run: DuckDB's rows are the measure of the others'.
PEERS = ("duckdb_batch", "contrail", "polars_loop", "notebook")
PATIENCE_SECONDS = 3600


@dataclass(frozen=True)
class Run:
    """One peer's way through the topic; `wrong` counts differing rows by table and column, `kinds` by kind of error.

    `start_cpu_seconds` is what it took for one answer alone, where that was measured.
    """

    peer: str
    messages: int
    wall_seconds: float
    cpu_seconds: float
    memory_mib: float
    start_cpu_seconds: float | None = None
    wrong: dict[str, dict[str, int]] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)

    @property
    def per_cpu_second(self) -> float:
        """Messages per CPU-second."""
        return self.messages / self.cpu_seconds

    @property
    def per_cpu_second_after_start(self) -> float | None:
        """Messages beyond the first answer, per CPU-second beyond that answer's."""
        if self.start_cpu_seconds is None:
            return None
        return (self.messages - AIRCRAFT) / (self.cpu_seconds - self.start_cpu_seconds)

    @property
    def right(self) -> bool:
        """Whether every row of every table equals the independent computation's."""
        return all(set(table) == {"rows"} for table in self.wrong.values())


def measure(
    folder: Path, messages: int, most: int, rounds: int = 1, peers: tuple[str, ...] = PEERS, *, starts: bool = False
) -> list[Run]:
    """Fill a topic, then let the peers take it in turn, `most` messages at a time; the best of their rounds counts.

    With `starts` each takes a topic with one answer first, to tell what its start is.
    """
    broker = Broker(folder / "kafka", load({}).cache_folder)
    broker.start()
    try:
        create_topic(broker.servers, TOPIC, 1)
        sent, _ = fill(broker.servers, TOPIC, messages)
        started = _starts(broker.servers, folder, peers) if starts else {}
        best: dict[str, Run] = {}
        for number in range(rounds):
            for peer in peers:
                lake = folder / f"{peer}-{number}" / "lake"
                run = timed(peer, broker.servers, TOPIC, lake, sent, most)
                print(
                    f"  {peer}: {run.per_cpu_second:,.0f} messages a CPU-second, {run.wall_seconds:.0f} s", flush=True
                )
                if peer not in best or run.cpu_seconds < best[peer].cpu_seconds:
                    best[peer] = run
        return [judged(replace(best[peer], start_cpu_seconds=started.get(peer)), folder) for peer in peers]
    finally:
        broker.stop()


def _starts(servers: str, folder: Path, peers: tuple[str, ...]) -> dict[str, float]:
    """CPU-seconds of each peer for one answer."""
    create_topic(servers, "start", 1)
    sent, _ = fill(servers, "start", 1)
    return {
        peer: timed(peer, servers, "start", folder / f"{peer}-start" / "lake", sent, sent).cpu_seconds for peer in peers
    }


def fill(servers: str, topic: str, messages: int, aircraft: int = AIRCRAFT, first: int = 0) -> tuple[int, int]:
    """Send a simulated sky, answer by answer from a number on; returns how many messages that were, and the next answer's number."""
    sky, producer, sent = Sky(aircraft, seed=3), Producer(servers, topic), 0
    while sent < messages:
        answer = sky.answer(START + first * INTERVAL_SECONDS)
        producer.send(answer, "simulator", flush=False)
        sent, first = sent + len(answer.states), first + 1
    producer.close()
    return sent, first


def timed(peer: str, servers: str, topic: str, lake: Path, messages: int, most: int) -> Run:
    """Run one peer as a process of its own. Raises CalledProcessError, with its log's place, when it fails."""
    lake.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", f"benchmarks.peers.{peer}", servers, topic, str(lake), str(most)]
    with (lake.parent / "log").open("ab") as log, peak_memory(every_seconds=1) as memory:
        before, began = cpu_seconds(), time.time()
        subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, check=True, timeout=PATIENCE_SECONDS)
        wall, spent = time.time() - began, cpu_seconds() - before
    return Run(peer, messages, wall, spent, max(memory))


def judged(run: Run, folder: Path) -> Run:
    """The run with its rows held against DuckDB's."""
    told, meant = (Lake(str(folder / f"{peer}-0" / "lake")) for peer in (run.peer, PEERS[0]))
    found = kinds(told, meant) if run.peer == "notebook" else {}
    return replace(run, wrong=differences(told, meant), kinds=found)


if __name__ == "__main__":
    for one in measure(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), peers=tuple(sys.argv[4:]) or PEERS):
        print(one, one.per_cpu_second, one.right)
