"""How one part of the pipeline is, as its callers and `ops/status.json` have it, told from Spark's progress reports."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

NEWEST = "newest"  # the observation that each stream makes of its rows, see `spark.start`


@dataclass
class StreamStatus:
    """How one stream (or the feed) is. Times are seconds since 1970; what is not known is None.

    `lag_seconds`: how old the newest row of the last batch was when it was written. `optional`: the pipeline is whole without it.
    """

    name: str
    state: str = "stopped"
    optional: bool = False
    since: float = field(default_factory=time.time)
    rows_total: int = 0
    rows_per_second: float | None = None
    batch_ms: int | None = None
    batches: int = 0
    backlog: int | None = None
    watermark: str | None = None
    event_time: str | None = None
    lag_seconds: float | None = None
    last_batch_at: float | None = None
    cause: str | None = None
    cure: str | None = None
    failures: int = 0
    detail: dict[str, Any] = field(default_factory=dict)

    def take_backlog(self, progress: dict[str, Any]) -> None:
        """Take from a report how much is waiting: messages of Kafka, or files of a table."""
        source = (progress.get("sources") or [{}])[0]
        metrics = source.get("metrics") or {}
        behind = metrics.get("maxOffsetsBehindLatest", metrics.get("numFilesOutstanding"))
        self.backlog = int(behind) if behind is not None else self.backlog

    def take_batch(self, progress: dict[str, Any]) -> None:
        """Take from a report what a batch did; a batch that went through ends an earlier failure."""
        self.batches += 1
        self.rows_total += int(progress["numInputRows"])
        self.rows_per_second = progress.get("processedRowsPerSecond")
        self.batch_ms = int(progress.get("batchDuration") or 0)
        self.last_batch_at = datetime.fromisoformat(progress["timestamp"]).timestamp() + self.batch_ms / 1000
        event_time = progress.get("eventTime") or {}
        self.watermark = event_time.get("watermark", self.watermark)
        self.event_time = event_time.get("max", self.event_time)
        observed = (progress.get("observedMetrics") or {}).get(NEWEST) or {}
        if newest := observed.get("at") or event_time.get("max"):
            self.lag_seconds = self.last_batch_at - datetime.fromisoformat(newest).timestamp()
        self.detail = {"duration_ms": progress.get("durationMs"), "batch_id": int(progress["batchId"])}
        self.failures, self.cause, self.cure = 0, None, None
