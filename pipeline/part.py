"""One part of the pipeline as its driver keeps it: a stream's query (or the feed), how it is, and when it is tried again."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from pyspark.sql.streaming.query import StreamingQuery

from pipeline.diagnosis import explain
from pipeline.stream_status import StreamStatus

STALLED_SECONDS = 60.0
GRACE_SECONDS = 10.0
LONGEST_BACKOFF_SECONDS = 60.0
HOPELESS_FAILURES = 4

log = logging.getLogger("contrail")


class Part:
    """`status` is what others are told of it; the feed has no `query`."""

    def __init__(self, name: str, *, optional: bool) -> None:
        self.status = StreamStatus(name, optional=optional)
        self.query: StreamingQuery | None = None
        self.retry_at = 0.0
        self._batch, self._batch_since = -1, 0.0
        self._read: tuple[int, str] = (-1, "")

    def set(self, state: str) -> None:
        """It is so from now on."""
        if self.status.state != state:
            if self.status.state == "starting" and state != "failed":
                self.status.cause = None  # what it waited for
            self.status.state, self.status.since = state, time.time()

    def want(self) -> None:
        """Forget its failures: it is tried at once."""
        self.retry_at, self.status.failures = 0.0, 0
        self.status.cause = self.status.cure = None
        if self.status.state in ("stopped", "failed", "done"):
            self.set("starting")

    def wait(self, cause: str) -> None:
        """It is wanted, and not started yet; `cause` says why."""
        self.status.cause, self.status.cure = cause, None
        self.set("starting")

    def run(self, query: StreamingQuery) -> None:
        """Its query has been started."""
        self.query = query
        self._batch, self._batch_since = -1, time.time()
        self.set("running")

    def fail(self, error: object) -> None:
        """It has failed, and is tried again later where that may help."""
        self.query = None
        cause, cure, again = explain(error, self.status.name)
        self.status.failures += 1
        self.status.cause, self.status.cure = cause, cure
        self.retry_at = time.time() + backoff_seconds(self.status.failures) if again else float("inf")
        self.set("failed")
        log.warning("%s failed: %s %s", self.status.name, cause, cure)
        log.info("%s failed with: %s", self.status.name, error)

    def is_due(self) -> bool:
        """Whether it may be started now, as far as its failures go."""
        return self.status.state != "done" and time.time() >= self.retry_at

    def is_hopeless(self) -> bool:
        """Whether it failed and is not tried again, or was in vain for `HOPELESS_FAILURES` times."""
        return self.status.state == "failed" and (
            self.retry_at == float("inf") or self.status.failures >= HOPELESS_FAILURES
        )

    def look(self) -> None:
        """Notice that its query has ended, take what it has done, and see whether it stands still."""
        query = self.query
        if query is None:
            return
        if not query.isActive:
            self.fail(query.exception() or "The query ended without a word.")
            return
        self.read_progress(query)
        busy = query.status["isTriggerActive"]
        stalled = busy and time.time() - self._batch_since > STALLED_SECONDS
        if not busy:
            self._batch_since = time.time()
        self.set("stalled" if stalled else "running")

    def read_progress(self, query: StreamingQuery) -> None:
        """Take every batch since the last look. (The JVM's own objects: pyspark's copies cost 40 calls each.)"""
        last = query._jsq.lastProgress()
        if last is None or (last.batchId(), last.timestamp()) == self._read:
            return
        self._read = (last.batchId(), last.timestamp())
        several = last.batchId() > self._batch + 1 or last.numInputRows() == 0
        for progress in query._jsq.recentProgress() if several else [last]:
            self._take(json.loads(progress.json()))

    def stop_query(self, publish: Callable[[], None]) -> None:
        """End its query, after the batch in hand where that is done soon; `publish` tells others that it is stopping."""
        query, self.query = self.query, None
        if query is None:
            return
        self.set("stopping")
        publish()
        with contextlib.suppress(Exception):  # a dead JVM has stopped already
            deadline, last = time.monotonic() + GRACE_SECONDS, _last_batch(query)
            # A stream that has more to take is between two batches for milliseconds: it is told by what it has finished.
            while _is_busy(query) and _last_batch(query) == last and time.monotonic() < deadline:
                time.sleep(0.02)
            self.read_progress(query)
            query.stop()

    def _take(self, progress: dict[str, Any]) -> None:
        self.status.take_backlog(progress)
        batch = int(progress["batchId"])
        if batch > self._batch and int(progress["numInputRows"]) > 0:
            self._batch, self._batch_since = batch, time.time()
            self.status.take_batch(progress)


def _is_busy(query: StreamingQuery) -> bool:
    """Whether a query is at a batch."""
    return query.isActive and bool(query.status["isTriggerActive"])


def _last_batch(query: StreamingQuery) -> int:
    """The number of the batch that a query finished last; -1 before its first."""
    last = query._jsq.lastProgress()
    return -1 if last is None else int(last.batchId())


def backoff_seconds(failures: int) -> float:
    """How long to wait after so many failures in a row."""
    return float(min(LONGEST_BACKOFF_SECONDS, 2.0 ** min(failures, 10)))
