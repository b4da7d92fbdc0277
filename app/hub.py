"""One reader for all sessions: it follows the tables and the supervisor, and a session compares a number.

The module is a singleton of the server: `app_hooks` opens it, every session of `main` reads `latest`.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from pipeline import serving
from pipeline.errors import ContrailError
from pipeline.serving import Freshness, Headline, Reader
from pipeline.settings import Settings, load
from pipeline.supervisor import Supervisor
from pipeline.tables import FLIGHT_PHASE_COUNTS, FLIGHTS_ML

LOOK_SECONDS = 0.25
HOUR = timedelta(hours=1)

log = logging.getLogger("contrail.app")


@dataclass(frozen=True)
class Snapshot:
    """What all sessions show: `version` grows with every change of the figures."""

    version: int = 0
    newest: datetime | None = None
    headline: Headline | None = None
    minutes: pd.DataFrame = field(default_factory=pd.DataFrame)
    trouble: str = ""


class Hub:
    """Reads on a thread of its own; `latest` and `status()` never wait."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.supervisor = Supervisor(settings, log.info)
        self.refusal = ""
        self.latest = Snapshot()
        self._reader = Reader(self.supervisor.lake)
        self._seen: tuple[int, int] = (-1, -1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="hub", daemon=True)

    def open(self) -> None:
        """Begin to follow, and to drive the lake; when another driver has it, only to follow."""
        try:
            self.supervisor.open()
            if self.settings.autostart:
                self.supervisor.start()
        except ContrailError as error:
            self.refusal = str(error)
        self._thread.start()

    def close(self) -> None:
        """Stop the streams in order."""
        self._stop.set()
        self._thread.join()
        if not self.refusal:
            self.supervisor.close()

    def status(self) -> dict[str, Any] | None:
        """How the pipeline is: the own supervisor's word, or what another driver published."""
        return serving.status(self.supervisor.lake) if self.refusal else self.supervisor.status()

    def freshness(self) -> Freshness:
        """How old the data is now."""
        return serving.freshness(self.latest.newest, self.status())

    def _follow(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception as error:
                log.warning("The tables cannot be read: %s", error)
                self.latest = Snapshot(self.latest.version + 1, trouble=str(error))
                time.sleep(1)

    def _look(self) -> None:
        seen = (self._reader.refresh(FLIGHTS_ML), self._reader.refresh(FLIGHT_PHASE_COUNTS))
        if -1 in seen or seen == self._seen:
            return
        newest = serving.newest_event(self._reader)
        if newest is not None:
            until = newest.replace(second=0, microsecond=0) + serving.MINUTE
            counts = serving.phase_counts(self._reader, until - HOUR, until)
            minutes = serving.per_minute(counts, until - HOUR, until)
            headline = serving.headline(self._reader, newest)
            self.latest = Snapshot(self.latest.version + 1, newest, headline, minutes)
        self._seen = seen


def now() -> datetime:
    """The time of the clock, UTC."""
    return datetime.now(UTC)


_hub: Hub | None = None


def the_hub() -> Hub:
    """The server's hub; made and opened by the first caller, which is `app_hooks`."""
    global _hub
    if _hub is None:
        _hub = Hub(load())
        _hub.open()
    return _hub


def close_the_hub() -> None:
    """End it with the server."""
    global _hub
    if _hub is not None:
        _hub.close()
        _hub = None
