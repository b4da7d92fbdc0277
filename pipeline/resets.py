"""A stream that begins anew: which streams that concerns, what is recomputed, and the way back.

Each stream has a generation, a number under `ops/`. A reset raises it, so the stream takes a new checkpoint and the old one
stays where it is; the table that it will fill again is emptied, and the table's own history keeps what was in it. So taking a
reset back is to lower the number and restore the table. What reads the table begins anew as well: Gold follows from Silver.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline import ops
from pipeline.errors import StreamError
from pipeline.serving import Reader
from pipeline.tables import ANOMALY_ALERTS, BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, QUARANTINE, Lake

TABLES = {
    "bronze": BRONZE,
    "silver": FLIGHTS_ML,
    "quarantine": QUARANTINE,
    "flight_phase_counts": FLIGHT_PHASE_COUNTS,
    "anomaly_alerts": ANOMALY_ALERTS,
}
FOLLOWERS = {"silver": ("flight_phase_counts", "anomaly_alerts")}
READS = {
    "silver": BRONZE,
    "quarantine": BRONZE,
    "flight_phase_counts": FLIGHTS_ML,
    "anomaly_alerts": FLIGHTS_ML,
}
KEPT_DAYS = 2


@dataclass(frozen=True)
class Plan:
    """What a reset of `stream` would do: the streams that begin anew, and the rows that are read again."""

    stream: str
    streams: tuple[str, ...]
    rows: int
    words: str


def plan(lake: Lake, stream: str) -> Plan:
    """What a reset would do. Raises StreamError for a stream that is none."""
    if stream not in TABLES:
        raise StreamError(f"There is no stream {stream!r}; there are {', '.join(TABLES)}.")
    streams = (stream, *FOLLOWERS.get(stream, ()))
    if stream == "bronze":
        words = "Bronze goes on behind the last message that its table holds. Nothing is read again, nothing is lost."
        return Plan(stream, streams, 0, words)
    source = READS[stream]
    reader = Reader(lake)
    rows = int(reader.one(source, "count(*) AS n")["n"]) if reader.refresh(source) >= 0 else 0
    tables = ", ".join(TABLES[name].path for name in streams)
    words = (
        f"{tables} will be emptied and computed again from the {rows:,} rows of {source.path}. "
        f"For {KEPT_DAYS} days this can be undone."
    )
    return Plan(stream, streams, rows, words)


def generation(lake: Lake, stream: str) -> int:
    """How often a stream has begun anew."""
    kept = ops.read(lake, ops.CHECKPOINTS) or {}
    return int(kept.get("generations", {}).get(stream, 0))


def last(lake: Lake, stream: str) -> dict[str, Any] | None:
    """The last reset of a stream that can be undone; None when there is none."""
    kept = ops.read(lake, ops.CHECKPOINTS) or {}
    found: dict[str, Any] | None = kept.get("resets", {}).get(stream)
    return found


def reset(lake: Lake, stream: str) -> None:
    """Let a stream and its followers begin anew. They must not run meanwhile."""
    chosen = plan(lake, stream)
    kept = ops.read(lake, ops.CHECKPOINTS) or {}
    generations, resets = kept.get("generations", {}), kept.get("resets", {})
    before = {
        name: {"generation": generations.get(name, 0), "version": _version(lake, name)} for name in chosen.streams
    }
    for name in chosen.streams:
        # The highest number that was ever used: one that was undone is never taken up again.
        kept["highest"] = max(kept.get("highest", 0), *generations.values(), 0) + 1
        generations[name] = kept["highest"]
        resets.pop(name, None)
    resets[stream] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "before": before}
    if stream != "bronze":
        for name in reversed(chosen.streams):
            lake.open(TABLES[name]).delete()
    ops.write(lake, ops.CHECKPOINTS, kept | {"generations": generations, "resets": resets})


def undo(lake: Lake, stream: str) -> None:
    """Take a stream's last reset back: its old checkpoint and its table as it was; its followers compute Gold again.

    Raises StreamError when there is nothing to take back, or when Bronze has gone on since.
    """
    kept = ops.read(lake, ops.CHECKPOINTS) or {}
    done = kept.get("resets", {}).pop(stream, None)
    if done is None:
        raise StreamError(f"{stream} was not reset, or that was undone: there is nothing to take back.")
    before = done["before"]
    if stream == "bronze" and _version(lake, stream) != before[stream]["version"]:
        raise StreamError("Bronze has taken new messages since its reset, which its old checkpoint would take again.")
    for name in before:
        kept["resets"].pop(name, None)
        if name == stream:
            if _version(lake, name) != before[name]["version"]:
                lake.open(TABLES[name]).restore(before[name]["version"])
            kept["generations"][name] = before[name]["generation"]
        else:
            lake.open(TABLES[name]).delete()
            kept["highest"] += 1
            kept["generations"][name] = kept["highest"]
    ops.write(lake, ops.CHECKPOINTS, kept)


def _version(lake: Lake, stream: str) -> int:
    return int(lake.open(TABLES[stream]).version())
