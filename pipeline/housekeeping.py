"""Housekeeping in the running driver: a round each hour on a thread of its own, and a look at the disk's budget each minute.

The supervisor calls `tend` at every beat; nothing here keeps it waiting, but for `still`, which ends a round in hand.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from pyspark.sql import SparkSession

from pipeline import disk, maintenance, ops, resets
from pipeline.compaction import POOL
from pipeline.errors import LakeError
from pipeline.settings import Settings
from pipeline.tables import Lake

SETTLE_SECONDS = 60.0  # after a start the streams catch up first
MEASURE_SECONDS, MEASURE_SHARE = 60.0, 0.02  # a large folder takes its time, so it is looked at less often
USER = "contrail"

log = logging.getLogger("contrail")


class Housekeeping:
    """Of one lake and its driver. All but the rounds' own work happens on the supervisor's thread."""

    def __init__(self, lake: Lake, settings: Settings) -> None:
        self._lake, self._settings = lake, settings
        self._every = settings.maintenance_minutes * 60
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._session: SparkSession | None = None
        self._due = self._measure_due = 0.0
        self._full, self._was_full = "", False
        self.told: dict[str, Any] | None = None

    @property
    def full(self) -> str:
        """Why the feed must wait, in a sentence; empty while the budget is kept."""
        return self._full

    def tend(self, session: SparkSession | None, servers: str) -> None:
        """Begin what is due, unless something is still going on."""
        now = time.monotonic()
        if not self._due:
            self._plan_first(now)
        if self._thread is not None and self._thread.is_alive():
            return
        if self._every and session is not None and now >= self._due:
            self._due = now + self._every
            self._session = session
            deleted = self._forgotten()
            self._begin("housekeeping", lambda: self._round(session, servers, deleted))
        elif self._settings.disk_budget_gb is not None and now >= self._measure_due:
            self._begin("disk", self._measure)

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """End the round in hand, and let none run until the block is left: a reset empties the tables that it works at."""
        self.stop()
        try:
            yield
        finally:
            self._end.clear()

    def stop(self) -> None:
        """End the round in hand; what it has committed stays."""
        self._end.set()
        if self._thread is None or not self._thread.is_alive():
            return
        if self._session is not None:
            with contextlib.suppress(Exception):  # a dead JVM works at nothing
                self._session.sparkContext.cancelJobGroup(POOL)
        self._thread.join()

    def _plan_first(self, now: float) -> None:
        """The first round of this driver: an hour after the last one of the lake, but not at once."""
        self.told = ops.read(self._lake, ops.MAINTENANCE)
        ago = time.time() - float(self.told["at"]) if self.told else 0.0
        self._due = now + max(min(SETTLE_SECONDS, self._every), self._every - ago)

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        self._end.clear()
        self._thread = threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
        self._thread.start()

    def _forgotten(self) -> int:
        """Here and not in the round: it writes the file that a stream writes which is being started."""
        try:
            return resets.forget(self._lake)
        except LakeError as error:
            log.warning("Housekeeping met %s", error)
            return 0

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            log.warning("Housekeeping met %s", error)

    def _round(self, session: SparkSession, servers: str, deleted: int) -> None:
        going, crowded = lambda: not self._end.is_set(), bool(self.full)
        report = maintenance.maintain(self._lake, self._settings, session, servers, going=going, vacuum=crowded)
        report.checkpoints_deleted = deleted
        if self._end.is_set():
            return  # the next one comes in an hour; what was done shows in its figures
        maintenance.publish(self._lake, report, USER)
        self.told = vars(report)

    def _measure(self) -> None:
        began = time.monotonic()
        try:
            self._look_at_disk()
        finally:  # a request to S3 that failed is not sent again at once
            took = time.monotonic() - began
            self._measure_due = time.monotonic() + max(MEASURE_SECONDS, took / MEASURE_SHARE)

    def _look_at_disk(self) -> None:
        self._full = disk.exceeded(disk.used(self._lake, self._settings), self._settings.disk_budget_gb)
        if self._full and not self._was_full:
            self._due = time.monotonic()  # what may be deleted is deleted now
        self._was_full = bool(self._full)
