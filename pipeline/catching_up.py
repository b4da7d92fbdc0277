"""Which streams wait while Silver takes a large backlog: beside it they cost more, and show only what is long past.

A million messages took 92 CPU-seconds with all streams at once, and 77 with the others behind Silver (docs/decisions/catching-up.md).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from pipeline import reach, soundness
from pipeline.broker import end_offsets
from pipeline.kafka_security import security_of
from pipeline.settings import Settings
from pipeline.stream_status import StreamStatus
from pipeline.tables import Lake

LONGEST_SECONDS = 120.0
LEADING = ("bronze", "silver")


@dataclass(frozen=True)
class CatchUp:
    """Silver's way through the `messages` that waited in Kafka when Bronze was started: over at Silver's row `goal`, or in time."""

    messages: int = 0
    goal: int = 0
    until: float = 0.0

    def holds(self, stream: str, bronze: StreamStatus, silver: StreamStatus) -> bool:
        """Whether a stream is not to begin yet. None waits for a Bronze or a Silver that does not run."""
        if stream in LEADING or not {bronze.state, silver.state} <= {"starting", "running"}:
            return False
        return silver.rows_total < self.goal and time.monotonic() < self.until

    @property
    def words(self) -> str:
        """What a stream that is held waits for."""
        return f"It begins when Silver has taken the {self.messages:,} messages that waited, or in {LONGEST_SECONDS:.0f} s."


def begun(lake: Lake, settings: Settings, servers: str, silver: StreamStatus, before: CatchUp) -> CatchUp:
    """The way ahead of Silver, if it is longer than a batch, now that Bronze is about to be started.

    Where Silver is still on the one `before`, Bronze is started again on the way, and neither its goal nor its time moves.
    Raises BrokerError when Kafka does not answer.
    """
    if silver.rows_total < before.goal:
        return before
    messages = waiting(lake, settings, servers)
    if messages <= settings.batch_messages:
        return CatchUp()
    return CatchUp(messages, silver.rows_total + messages, time.monotonic() + LONGEST_SECONDS)


def waiting(lake: Lake, settings: Settings, servers: str) -> int:
    """Messages that Kafka holds and Bronze has not taken."""
    kept = end_offsets(servers, settings.topic, security_of(settings))
    taken = _taken(lake, settings.topic)
    return sum(max(0, end - max(first, taken.get(part, 0))) for part, (first, end) in kept.items())


def _taken(lake: Lake, topic: str) -> dict[int, int]:
    """Partition -> offset after the last message of Bronze's newest batch; without one, of its table: a new checkpoint begins there."""
    place = f"{soundness.checkpoint_of(lake, 'bronze')}/offsets"
    batches = soundness.numbers(lake, place)
    if not batches:
        return reach.end_of_bronze(lake, topic)
    told = soundness.last_line(soundness.body(lake, f"{place}/{batches[-1]}")).get(topic, {})
    return {int(part): int(offset) for part, offset in told.items()}
