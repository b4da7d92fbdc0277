"""A stream that begins anew: which streams that concerns, what is recomputed, and the way back.

Each stream has a generation, a number under `ops/`. A reset raises it, so the stream takes a new checkpoint and the old one
stays where it is; the table that it will fill again is emptied, and the table's own history keeps what was in it. So taking a
reset back is to lower the number and restore the table. What reads the table begins anew as well: Gold follows from Silver.

What is to be emptied or restored is written down with the new numbers, in one write, and done after that: a driver that dies in
between finds it at its next start (`finish`), so a table and its checkpoint never tell of two different beginnings.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline import object_store, ops, table_store
from pipeline.errors import StreamError
from pipeline.retention import LONGEST_STOP, days
from pipeline.serving import Reader
from pipeline.tables import ANOMALY_ALERTS, BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASE_PREDICTIONS, QUARANTINE, Lake

TABLES = {
    "bronze": BRONZE,
    "silver": FLIGHTS_ML,
    "quarantine": QUARANTINE,
    "flight_phase_counts": FLIGHT_PHASE_COUNTS,
    "anomaly_alerts": ANOMALY_ALERTS,
    "phase_predictions": PHASE_PREDICTIONS,
}
FOLLOWERS = {"silver": ("flight_phase_counts", "anomaly_alerts", "phase_predictions")}
READS = {
    "silver": BRONZE,
    "quarantine": BRONZE,
    "flight_phase_counts": FLIGHTS_ML,
    "anomaly_alerts": FLIGHTS_ML,
    "phase_predictions": FLIGHTS_ML,
}
# What has read a table that was lost: it is behind places of the old one.
AFTER_LOSS = {"bronze": ("silver", "quarantine", *FOLLOWERS["silver"]), **FOLLOWERS}
FROM_NOW = "phase_predictions"  # begins with what comes
KEPT_DAYS = days(LONGEST_STOP)
# Commits after which a table holds what it held before.
HOUSEKEEPING = {"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES"}


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
    if not table_store.is_sound(lake, TABLES[stream]):
        return _after_loss(stream)
    if stream == "bronze":
        words = "Bronze goes on behind the last message that its table holds. Nothing is read again, nothing is lost."
        return Plan(stream, streams, 0, words)
    scored = f"{PHASE_PREDICTIONS.path} will be emptied, and what comes from then on is scored. "
    undoable = f"For {KEPT_DAYS} days this can be undone."
    if stream == FROM_NOW:
        return Plan(stream, streams, 0, scored + undoable)
    source = READS[stream]
    reader = Reader(lake)
    rows = int(reader.one(source, "count(*) AS n")["n"]) if reader.refresh(source) >= 0 else 0
    tables = ", ".join(TABLES[name].path for name in streams if name != FROM_NOW)
    words = f"{tables} will be emptied and computed again from the {rows:,} rows of {source.path}. "
    if FROM_NOW not in streams:
        return Plan(stream, streams, rows, words + undoable)
    return Plan(stream, streams, rows, words + scored + undoable[:-1] + f", but for {PHASE_PREDICTIONS.path}.")


def _after_loss(stream: str) -> Plan:
    """A table that is gone or cannot be read: it is made anew, and what has read it begins anew as well."""
    streams = (stream, *AFTER_LOSS.get(stream, ()))
    source = READS[stream].path if stream in READS else "the messages that Kafka still has"
    words = (
        f"{TABLES[stream].path} is damaged or gone: what cannot be read is set aside, and "
        f"{', '.join(TABLES[name].path for name in streams)} will be computed again from {source}."
    )
    return Plan(stream, streams, 0, words)


def cure(stream: str) -> str:
    """What helps a stream that cannot go on."""
    return (
        f"`contrail reset {stream}`, or Reset on the Control tab, lets it begin anew from what it reads; "
        "what is set aside is kept."
    )


def generation(lake: Lake, stream: str) -> int:
    """How often a stream has begun anew."""
    kept = ops.read(lake, ops.CHECKPOINTS) or {}
    return int(kept.get("generations", {}).get(stream, 0))


def beginning(lake: Lake, stream: str, version: int) -> int:
    """From which version of its table a stream that begins with the present reads; `version` when it begins now."""
    kept = ops.read(lake, ops.CHECKPOINTS) or {}
    key = f"{stream}.{kept.get('generations', {}).get(stream, 0)}"
    begun = kept.setdefault("begun", {})
    if key not in begun:
        begun[key] = version
        ops.write(lake, ops.CHECKPOINTS, kept)
    return int(begun[key])


def last(lake: Lake, stream: str) -> dict[str, Any] | None:
    """The last reset of a stream that can be undone; None when there is none."""
    kept = ops.read(lake, ops.CHECKPOINTS) or {}
    found: dict[str, Any] | None = kept.get("resets", {}).get(stream)
    return None if found is None or _is_over(found) else found


def reset(lake: Lake, stream: str) -> None:
    """Let a stream and its followers begin anew. They must not run meanwhile."""
    finish(lake)
    chosen = plan(lake, stream)
    lost = [name for name in chosen.streams if table_store.mended(lake, TABLES[name])]
    kept = ops.read(lake, ops.CHECKPOINTS) or {}
    generations, resets = kept.get("generations", {}), kept.get("resets", {})
    before = {
        name: {"generation": generations.get(name, 0), "version": _version(lake, name)} for name in chosen.streams
    }
    undoable = not lost
    for name in chosen.streams:
        # The highest number that was ever used: one that was undone is never taken up again.
        kept["highest"] = max(kept.get("highest", 0), *generations.values(), 0) + 1
        generations[name] = kept["highest"]
        resets.pop(name, None)
    if undoable:
        resets[stream] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "before": before}
    unfinished = {"empty": [name for name in reversed(chosen.streams) if name != "bronze"], "restore": {}}
    ops.write(lake, ops.CHECKPOINTS, kept | {"generations": generations, "resets": resets, "unfinished": unfinished})
    finish(lake)


def undo(lake: Lake, stream: str) -> None:
    """Take a stream's last reset back: its old checkpoint and its table as it was; its followers compute Gold again.

    Raises StreamError when there is nothing to take back, or when Bronze has gone on since.
    """
    finish(lake)
    kept = ops.read(lake, ops.CHECKPOINTS) or {}
    done = kept.get("resets", {}).pop(stream, None)
    if done is None:
        raise StreamError(f"{stream} was not reset, or that was undone: there is nothing to take back.")
    if _is_over(done):
        raise StreamError(f"{stream} was reset more than {KEPT_DAYS} days ago: what it had before is not kept so long.")
    before = done["before"]
    if stream == "bronze" and _has_changed(lake, stream, before[stream]["version"]):
        raise StreamError("Bronze has taken new messages since its reset, which its old checkpoint would take again.")
    followers = [name for name in before if name != stream]
    kept["generations"][stream] = before[stream]["generation"]
    for name in followers:
        kept["resets"].pop(name, None)
        kept["highest"] += 1
        kept["generations"][name] = kept["highest"]
    restored = {} if stream == "bronze" else {stream: before[stream]["version"]}
    kept["unfinished"] = {"empty": [*reversed(followers)], "restore": restored}
    ops.write(lake, ops.CHECKPOINTS, kept)
    finish(lake)


def finish(lake: Lake) -> bool:
    """Do what a reset or an undoing had begun when it failed or its driver died; whether there was something.

    No stream of it may run meanwhile.
    """
    kept = ops.read(lake, ops.CHECKPOINTS) or {}
    unfinished = kept.pop("unfinished", None)
    if unfinished is None:
        return False
    for name in unfinished["empty"]:
        lake.open(TABLES[name]).delete()
    for name, version in unfinished["restore"].items():
        if _version(lake, name) != version:
            lake.open(TABLES[name]).restore(version)
    ops.write(lake, ops.CHECKPOINTS, kept)
    return True


def forget(lake: Lake) -> int:
    """Delete the checkpoints that no stream uses and no reset can go back to; returns how many. No reset may run meanwhile."""
    kept = ops.read(lake, ops.CHECKPOINTS)
    if kept is None:
        return 0
    resets = {stream: done for stream, done in kept.get("resets", {}).items() if not _is_over(done)}
    if resets != kept.get("resets", {}):
        ops.write(lake, ops.CHECKPOINTS, kept | {"resets": resets})
    generations = kept.get("generations", {})
    needed = {(stream, int(generations.get(stream, 0))) for stream in TABLES}
    needed |= {(name, int(was["generation"])) for done in resets.values() for name, was in done["before"].items()}
    old = [place for place, of in _checkpoints(lake).items() if of not in needed]
    for place in old:
        if lake.on_s3:
            object_store.delete_folder(lake, f"checkpoints/{place}")
        else:
            shutil.rmtree(Path(lake.root, "checkpoints", place), ignore_errors=True)
    return len(old)


def _checkpoints(lake: Lake) -> dict[str, tuple[str, int]]:
    """The folders of checkpoints -> whose they are: stream and generation. What has another name is nobody's business."""
    if lake.on_s3:
        names = object_store.folders(lake, "checkpoints")
    else:
        names = [path.name for path in Path(lake.root, "checkpoints").glob("*") if path.is_dir()]
    told = {name: re.fullmatch(r"(\w+?)(?:\.(\d+))?", name) for name in names}
    return {name: (found[1], int(found[2] or 0)) for name, found in told.items() if found and found[1] in TABLES}


def _is_over(done: dict[str, Any]) -> bool:
    """Whether a reset is too old to be taken back."""
    return datetime.now(UTC) - datetime.fromisoformat(done["at"]) > LONGEST_STOP


def _has_changed(lake: Lake, stream: str, version: int) -> bool:
    """Whether a table got or lost rows after a version; housekeeping changes its files alone."""
    now = _version(lake, stream)
    latest = lake.open(TABLES[stream]).history(now - version) if now > version else []
    return any(commit["operation"] not in HOUSEKEEPING for commit in latest)


def _version(lake: Lake, stream: str) -> int:
    return int(lake.open(TABLES[stream]).version())
