"""Answers to the SQL explorations, for all sessions: one query at a time, kept until the table has moved on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from gallery import Range, Recent, ends
from hub import Hub

from explore import queries
from explore.queries import Answer
from pipeline.serving import Reader
from pipeline.tables import FLIGHTS_ML

KEPT = 8
Asked = tuple[str, Range]


@dataclass(frozen=True)
class Told:
    """An answer with its CSV, when it was read, and how long that took."""

    answer: Answer
    csv: bytes
    read_at: datetime
    seconds: float

    @property
    def table(self) -> str:
        """The table's name."""
        return FLIGHTS_ML.name

    @property
    def version(self) -> int:
        """The table's version."""
        return self.answer.version


class Answers:
    """Asks what is wished for. To be called on the event loop."""

    def __init__(self) -> None:
        self._kept: Recent[Asked, Told] = Recent(KEPT)
        # One: a query takes all cores that it gets, and the streams need some.
        self._turn = asyncio.Lock()

    async def answer(self, hub: Hub, name: str, wanted: Range, *, anew: bool = False) -> Told:
        """The answer: a kept one that is current, or (`anew`: always) a new one."""
        async with self._turn:  # who wished for the same meanwhile finds it kept
            found = None if anew else self._kept.get((name, wanted), hub.latest.versions)
            if found is None:
                found = self._kept.put((name, wanted), await hub.ask(told, name, wanted, hub.latest.newest))
            return found


def told(reader: Reader, name: str, wanted: Range, newest: datetime | None) -> Told:
    """Answer a query; on a worker's thread."""
    began, now = time.monotonic(), datetime.now(UTC)
    answer = queries.answered(reader, name, *ends(wanted, newest), wanted.countries, wanted.phases)
    return Told(answer, queries.csv(answer.rows).encode(), now, time.monotonic() - began)


ANSWERS = Answers()
