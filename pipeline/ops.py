"""Small state files under the lake's `ops/`: any reader may open them, without Spark."""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline import object_store
from pipeline.errors import LakeError
from pipeline.tables import Lake

STATUS = "status.json"
FEEDS = "feed.json"
ACTIONS = "actions.jsonl"
CHECKPOINTS = "checkpoints.json"
APPEND_ATTEMPTS, LONGEST_PAUSE_SECONDS = 50, 0.2
MODEL = "model.json"
MAINTENANCE = "maintenance.json"


def write(lake: Lake, name: str, content: dict[str, Any]) -> None:
    """Replace a state file; a reader sees the old one or the new one, never half of it."""
    body = json.dumps(content, default=str).encode()
    if lake.on_s3:
        object_store.put(lake, name, body)
        return
    path = Path(lake.ops(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{name}.{os.getpid()}")
    scratch.write_bytes(body)
    scratch.replace(path)


def read(lake: Lake, name: str) -> dict[str, Any] | None:
    """A state file; None when there is none, or none that can be understood."""
    try:
        content = json.loads(_get(lake, name) or b"")
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def note(lake: Lake, user: str, verb: str, names: Sequence[str], outcome: str) -> None:
    """Add to the audit log who asked for what, when, and what came of it."""
    entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "user": user, "verb": verb, "names": [*names]}
    line = json.dumps(entry | {"outcome": outcome}).encode() + b"\n"
    if lake.on_s3:
        _append_on_s3(lake, ACTIONS, line)
        return
    path = Path(lake.ops(ACTIONS))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(line)


def actions(lake: Lake, most: int) -> list[dict[str, Any]]:
    """The latest entries of the audit log, newest first; a line that cannot be understood is left out."""
    found = []
    for line in reversed((_get(lake, ACTIONS) or b"").splitlines()):
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
        if len(found) == most:
            break
    return found


def claim_feed(lake: Lake, feed: str, fingerprint: str = "", begins: int | None = None) -> None:
    """Let the lake remember its feed. Raises LakeError when it has another one already.

    A recording (`fingerprint`, `begins` in s since 1970) that begins before what the lake has seen is refused too, unless
    it was played into it before: the watermark would drop its rows from Gold without a word.
    """
    known = read(lake, FEEDS) or {"feed": feed, "since": datetime.now(UTC).isoformat(), "recordings": {}}
    if known["feed"] != feed:
        raise LakeError(
            f"The lake {lake.root} holds the sky of the feed {known['feed']!r}, and {feed!r} must not mix with it: "
            f"set CONTRAIL_DATA or CONTRAIL_LAKE to another folder."
        )
    if fingerprint and begins is not None and fingerprint not in known["recordings"]:
        latest = max(known["recordings"].values(), default=None)
        if latest is not None and begins < latest:
            raise LakeError(
                f"The lake {lake.root} has played a recording that begins later than this one, whose rows would come too "
                f"late for its windows: set CONTRAIL_DATA or CONTRAIL_LAKE to another folder."
            )
        known["recordings"][fingerprint] = begins
    write(lake, FEEDS, known)


def _get(lake: Lake, name: str) -> bytes | None:
    """A file below `ops/`; None when there is none."""
    if lake.on_s3:
        found = object_store.get(lake, name)
        return found.body if found else None
    try:
        return Path(lake.ops(name)).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _append_on_s3(lake: Lake, name: str, line: bytes) -> None:
    """Add a line to an object, unless it has changed since it was read: then to what it has become."""
    for _ in range(APPEND_ATTEMPTS):
        found = object_store.get(lake, name)
        body, etag = (found.body, found.etag) if found else (b"", None)
        if object_store.put_if(lake, name, body + line, etag) is not None:
            return
        time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))
    raise LakeError(
        f"{lake.ops(name)} was changed by others {APPEND_ATTEMPTS} times in a row: is it written by a loop?"
    )
