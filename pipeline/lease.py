"""One driver a lake: a lock of the file system where the lake is on a disk, a lease where it is on S3.

Both are taken, looked at and given back in the same way. docs/decisions/driver-lease.md has the why of the lease.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

from pipeline import fence, object_store
from pipeline.errors import LakeError
from pipeline.object_store import Object
from pipeline.tables import Lake

LOCK = "driver.lock"
RENEWALS = 6  # so often a lease is renewed in its length
CERTAIN = 2 / 3  # of its length: not renewed for longer, its holder stands still before anybody else may begin
LOOK_SECONDS = 1.0
WHOLE_SECONDS = 2.0  # S3 tells both moments of an age in whole seconds

log = logging.getLogger("contrail")


class DriverLock(Protocol):
    """What a driver has to hold before it writes to a lake."""

    def take(self) -> None:
        """Take it. Raises LakeError, with the holder's name and age, when another driver has it."""

    def free(self) -> None:
        """Give it back."""

    def lost(self) -> str:
        """Who has it now that it was lost, as a sentence; empty while it was not."""

    def certain(self) -> bool:
        """Whether nobody else can have it yet."""

    def watch(self, jvm: int) -> None:
        """Let this process (0: none) be ended when it is no longer certain, even when this one stands still."""


def lock_of(lake: Lake, seconds: float, alarm: Callable[[], None]) -> DriverLock:
    """The lock of a lake. A lease runs out `seconds` after its driver has died.

    `alarm` is called, on a thread of the lease, as soon as somebody else may have it: it has to end all writing at once.
    """
    return Lease(lake, seconds, alarm) if lake.on_s3 else FileLock(lake)


class FileLock:
    """Held by the process, freed by the system when the process ends, however it ends."""

    name, words = LOCK, "driven"

    def __init__(self, lake: Lake) -> None:
        self._path = Path(lake.ops(self.name))
        self._lake = lake
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock. Raises LakeError, with the holder's name and age, when another driver has it."""
        if self._file is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise LakeError(_taken(self._lake, holder, self.words)) from None
        file.truncate(0)
        file.write(_me())
        file.flush()
        self._file = file

    def free(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def lost(self) -> str:
        """Never: the system keeps it for the process."""
        return ""

    def certain(self) -> bool:
        """Always, while it is held."""
        return True

    def watch(self, jvm: int) -> None:
        """Nothing to do: this lock does not run out."""


class TrainingLock(FileLock):
    """One training a lake at a time, beside its driver; where the lake is on S3 nothing holds a second one off."""

    name, words = "training.lock", "being trained on"

    def take(self) -> None:
        """Take the lock. Raises LakeError, with the holder's name and age, when another training has it."""
        if not self._lake.on_s3:
            super().take()


class Lease:
    """An object that its holder writes anew all the time, each time only if it still is as the holder left it.

    Whoever finds it older than its length, by the server's clock alone, may write it in his own name, by the same condition:
    so of two takers one wins, and a holder that was asleep learns at its next renewal that it has lost.
    """

    def __init__(self, lake: Lake, seconds: float, alarm: Callable[[], None]) -> None:
        self._lake, self._seconds, self._alarm = lake, seconds, alarm
        self._token = self._etag = self._holder = self._lost = ""
        self._certain_until = 0.0
        self._done = threading.Event()
        self._keeper: threading.Thread | None = None
        self._fence: subprocess.Popen[bytes] | None = None

    def take(self) -> None:
        """Take the lease, and renew it from now on. Raises LakeError when another driver has it.

        A holder that is silent is waited for until it writes, and has the lake, or its lease runs out.
        """
        if self._keeper is not None:
            return
        self._token, self._holder = uuid.uuid4().hex, _me()
        seen: str | None = None
        while True:
            found = object_store.get(self._lake, LOCK)
            if found is not None and seen not in (None, found.etag):
                raise LakeError(_taken(self._lake, _told(found, "holder") or "another process"))
            if _is_free(found) and self._write(found.etag if found else None):
                break
            seen = found.etag if found else None
            time.sleep(min(LOOK_SECONDS, self._seconds / RENEWALS / 2))
        self._lost = ""
        self._done.clear()
        self._fence = subprocess.Popen(
            [sys.executable, "-I", "-S", fence.__file__, str(CERTAIN * self._seconds)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._keeper.start()

    def free(self) -> None:
        """Give the lease back; one that was lost is left alone."""
        if self._keeper is None:
            return
        self._done.set()
        self._keeper.join()
        self._keeper = None
        self._end_fence()
        try:
            if not self._lost:
                object_store.put_if(self._lake, LOCK, b"{}", self._etag)
        except LakeError as error:
            log.warning("The lake's lease could not be given back, and runs out by itself: %s", error)

    def lost(self) -> str:
        """Who has the lake now, as a sentence; empty while this driver has it."""
        return self._lost

    def certain(self) -> bool:
        """Whether it was renewed lately enough that nobody else can have taken it."""
        return not self._lost and _now() < self._certain_until

    def watch(self, jvm: int) -> None:
        """Let this process (0: none) be ended when it is no longer certain, even when this one stands still."""
        self._tell_fence(b"%d\n" % jvm)

    def _tell_fence(self, line: bytes) -> None:
        if self._fence is not None and self._fence.stdin is not None:
            with contextlib.suppress(OSError):  # somebody has killed it
                os.write(self._fence.stdin.fileno(), line)

    def _end_fence(self) -> None:
        if self._fence is not None and self._fence.stdin is not None:
            self.watch(0)
            self._fence.stdin.close()
            self._fence.wait()
        self._fence = None

    def _write(self, etag: str | None) -> bool:
        """Write the lease in this driver's name, unless somebody else has written it since; whether that went well."""
        sent = _now()
        content = {"holder": self._holder, "token": self._token, "seconds": self._seconds, "written": uuid.uuid4().hex}
        written = object_store.put_if(self._lake, LOCK, json.dumps(content).encode(), etag)
        if written is not None:
            self._etag, self._certain_until = written, sent + CERTAIN * self._seconds
            self._tell_fence(b"\n")
        return written is not None

    def _keep(self) -> None:
        while not self._lost and not self._done.wait(self._seconds / RENEWALS):
            if not self.certain():  # after a sleep: before anything else
                self._alarm()
            try:
                if not self._write(self._etag):
                    self._look_who_has_it()
            except Exception as error:  # whatever it is: a keeper that ended would give the lake away
                log.warning("The lake's lease could not be renewed: %s", error)
            if not self.certain():
                self._alarm()

    def _look_who_has_it(self) -> None:
        """An answer that never arrived may have been a success: then the lease is still this driver's."""
        found = object_store.get(self._lake, LOCK)
        if found is None:
            self._write(None)  # somebody has removed it, and nobody has taken it since
        elif _told(found, "token") == self._token:
            self._etag = found.etag
        else:
            self._lost = (
                f"The lake {self._lake.root} was taken over while this driver was silent, by "
                f"{_told(found, 'holder') or 'a process that has ended'}: this one writes no more. "
                "Start it again when the other has stopped."
            )


def holder(lake: Lake) -> tuple[str, float] | None:
    """Who has the lease of a lake on S3, and how many seconds ago it was renewed; None when nobody has it."""
    found = object_store.get(lake, LOCK)
    return None if found is None or _is_free(found) else (str(_told(found, "holder")), found.age_seconds)


def _is_free(found: Object | None) -> bool:
    """Whether a lease may be taken: there is none, it was given back, or it is older than its holder wanted."""
    length = found and _told(found, "seconds")
    return found is None or not length or found.age_seconds >= float(length) + WHOLE_SECONDS


def _told(found: Object, name: str) -> Any:
    try:
        return json.loads(found.body).get(name)
    except (ValueError, AttributeError):
        return None


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _taken(lake: Lake, holder: str, words: str = FileLock.words) -> str:
    return f"The lake {lake.root} is {words} by {holder} already: stop that one, or use another lake."


def _now() -> float:
    """Seconds on a clock that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
