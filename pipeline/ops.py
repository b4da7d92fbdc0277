"""Small state files under the lake's `ops/`: any reader may open them, without Spark."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from pipeline.errors import LakeError
from pipeline.tables import Lake

STATUS = "status.json"
FEEDS = "feed.json"
LOCK = "driver.lock"
ACTIONS = "actions.jsonl"
CHECKPOINTS = "checkpoints.json"


def write(lake: Lake, name: str, content: dict[str, Any]) -> None:
    """Replace a state file; a reader sees the old one or the new one, never half of it."""
    body = json.dumps(content, default=str).encode()
    if lake.on_s3:
        _s3(lake).put_object(**_place(lake, name), Body=body)
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
        before = _get(lake, ACTIONS) or b""
        _s3(lake).put_object(**_place(lake, ACTIONS), Body=before + line)
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


class DriverLock:
    """One driver a lake: held by the process, freed by the system when the process ends, however it ends."""

    def __init__(self, lake: Lake) -> None:
        self._path = Path(lake.ops(LOCK))
        self._lake = lake
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock. Raises LakeError, with the holder's name and age, when another driver has it."""
        if self._file is not None or self._lake.on_s3:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise LakeError(
                f"The lake {self._lake.root} is driven by {holder} already: stop that one, or use another lake."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        file.flush()
        self._file = file

    def free(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _get(lake: Lake, name: str) -> bytes | None:
    """A file below `ops/`; None when there is none."""
    try:
        if not lake.on_s3:
            return Path(lake.ops(name)).read_bytes()
        client = _s3(lake)
        try:
            return bytes(client.get_object(**_place(lake, name))["Body"].read())
        except client.exceptions.NoSuchKey:
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _place(lake: Lake, name: str) -> dict[str, str]:
    bucket, _, prefix = lake.ops(name).removeprefix("s3a://").partition("/")
    return {"Bucket": bucket, "Key": prefix}


def _s3(lake: Lake) -> Any:
    import boto3

    options = dict(lake.storage_options)
    return boto3.client(
        "s3",
        endpoint_url=options.get("AWS_ENDPOINT_URL"),
        region_name=options.get("AWS_REGION"),
        aws_access_key_id=options.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=options.get("AWS_SECRET_ACCESS_KEY"),
    )
