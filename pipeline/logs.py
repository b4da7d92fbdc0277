"""The tail of the logs that the embedded stack writes; their names are fixed, so no path comes from outside."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pipeline.errors import StreamError
from pipeline.settings import Settings

LOGS = {
    "feed": "logs/feed.log",
    "spark": "logs/spark.log",
    "jvm": "logs/jvm.log",
    "kafka": "kafka/broker.log",
}
MOST_BYTES = 64 * 1024
LONGEST_BYTES, KEPT_BYTES = 10 * 1024 * 1024, 1024 * 1024


def tail(settings: Settings, name: str, lines: int) -> str:
    """The last lines of a log; a sentence when it has none yet. Raises StreamError for a name that is none."""
    if name not in LOGS:
        raise StreamError(f"There is no log {name!r}; there are {', '.join(LOGS)}.")
    found = _last_bytes(settings.data_folder / LOGS[name]).decode(errors="replace").splitlines()
    return "\n".join(found[-lines:]) or f"The log {LOGS[name]} is empty."


def trim(settings: Settings) -> int:
    """Cut logs that have grown long to their end, in place: who writes them appends. Returns how many were cut."""
    cut = 0
    for name in LOGS.values():
        path = settings.data_folder / name
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > LONGEST_BYTES:
                kept = _last_bytes(path, KEPT_BYTES)
                path.write_bytes(kept[kept.find(b"\n") + 1 :])
                cut += 1
    return cut


def _last_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most))
            return file.read()
    except FileNotFoundError:
        return b""
