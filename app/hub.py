"""One reader for all sessions: it follows the tables and the supervisor, and a session compares a number.

The module is a singleton of the server: `app_hooks` opens it, every session of `main` reads `latest`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from rights import Rights
from snapshot import Snapshot, looked

from pipeline import ops, serving
from pipeline.errors import ContrailError, StreamError
from pipeline.serving import Freshness, Reader
from pipeline.settings import Settings, load
from pipeline.supervisor import Supervisor
from pipeline.tables import Lake

LOOK_SECONDS = 0.25
SAMPLE_SECONDS = 2.0
SAMPLES = 300
WORKERS = 2
STANDBY_SECONDS = 5.0
S3_LOOK_SECONDS = 1.0  # each look is a few requests, which may cost money

log = logging.getLogger("contrail.app")

Given = ParamSpec("Given")
Found = TypeVar("Found")


class Hub:
    """Reads on a thread of its own, once for all sessions; `latest`, `status` and `samples` are what it found."""

    def __init__(self, settings: Settings) -> None:
        self.started = self.settings = settings
        self.supervisor = Supervisor(settings, log.info)
        self.rights = Rights(settings.operators or ())
        self.refusal = ""
        self.switching = ""
        self.failures = (0, "")  # actions that failed after they were asked for, and what was wrong with the last
        self.latest = Snapshot()
        self.status: dict[str, Any] | None = None
        self.samples: deque[dict[str, Any]] = deque(maxlen=SAMPLES)
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="question")
        self._readers = threading.local()
        self._stop = threading.Event()
        self._switch = threading.Lock()
        self._thread = threading.Thread(target=self._follow, name="hub", daemon=True)
        self._standby = threading.Thread(target=self._stand_by, name="standby", daemon=True)

    def open(self) -> None:
        """Begin to follow, and to drive the lake; when another driver has it, only to follow.

        S3 may take its time, and the page does not wait for it: such a lake is taken on a thread, which goes on trying.
        """
        if self.settings.on_s3:
            self.refusal = f"The lake {self.settings.lake_root} is being looked at."
        else:
            self._drive(start=self.settings.autostart)
            self.status = self._told_status()
        self._standby.start()
        self._thread.start()

    def close(self) -> None:
        """Stop the streams in order."""
        self._stop.set()
        self._thread.join()
        self._standby.join(STANDBY_SECONDS)
        self._workers.shutdown(wait=False, cancel_futures=True)
        if not self.refusal:
            self.supervisor.close()

    def freshness(self) -> Freshness:
        """How old the data is now."""
        return serving.freshness(self.latest.newest, self.status)

    async def ask(
        self, question: Callable[Concatenate[Reader, Given], Found], *given: Given.args, **named: Given.kwargs
    ) -> Found:
        """Answer a question to the tables off the event loop: `question(reader, …)` on a worker's thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, lambda: question(self._reader(), *given, **named))

    def act(self, user: str, verb: str, *names: str) -> str:
        """Start, stop or restart parts (all when none is named) for a user; returns what to tell them.

        Every action is noted under `ops/`, refused ones too.
        """
        return self._noted(user, verb, names, lambda: getattr(self.supervisor, verb)(*names))

    def reset(self, user: str, stream: str, typed: str) -> str:
        """Let a stream begin anew, when its name was typed; returns what to tell the user."""
        return self._noted(user, "reset", (stream,), lambda: self.supervisor.reset(stream, typed))

    def undo(self, user: str, stream: str) -> str:
        """Take a stream's last reset back; returns what to tell the user."""
        return self._noted(user, "undo reset", (stream,), lambda: self.supervisor.undo(stream))

    def switch(self, user: str, settings: Settings) -> str:
        """Drive another feed, or another area of it, on that feed's own lake; the page follows."""
        return self._noted(user, "switch feed", (settings.source,), lambda: self._begin_switch(user, settings))

    def _noted(self, user: str, verb: str, names: tuple[str, ...], do: Callable[[], Future[None] | None]) -> str:
        lake, told = self.supervisor.lake, ""
        try:
            self.rights.require(user)
            self._try_again()
            if self.refusal and verb != "switch feed":
                raise StreamError(self.refusal)
            asked, outcome = do(), "asked"
        except ContrailError as error:
            asked, told, outcome = None, str(error), f"refused: {error}"
        self._note(lake, user, verb, names, outcome)
        if asked is not None:
            asked.add_done_callback(partial(self._failed_later, lake, user, verb, names))
        return told

    def _failed_later(self, lake: Lake, user: str, verb: str, names: tuple[str, ...], done: Future[None]) -> None:
        """Called where an action was done: what could not be done is noted, and told to all who look."""
        if error := done.exception():
            self._note(lake, user, verb, names, f"failed: {error}")
            self.failures = (self.failures[0] + 1, f"{' '.join((verb, *names))}: {error}")

    def _try_again(self) -> None:
        """Drive a lake on a disk that was refused: whoever had it may have stopped. (S3's is tried by `_stand_by`.)"""
        if self.refusal and not self.settings.on_s3 and self._switch.acquire(blocking=False):
            try:
                self._drive(start=False)
            finally:
                self._switch.release()

    def _note(self, lake: Lake, user: str, verb: str, names: tuple[str, ...], outcome: str) -> None:
        try:
            ops.note(lake, user, verb, names, outcome)
        except (OSError, ContrailError) as error:
            log.warning("An action could not be noted: %s", error)

    def _reader(self) -> Reader:
        """This thread's reader, on the lake that is followed now."""
        lake = self.supervisor.lake
        if getattr(self._readers, "lake", None) != lake:
            self._readers.lake, self._readers.reader = lake, Reader(lake)
        reader: Reader = self._readers.reader
        return reader

    def _drive(self, *, start: bool) -> None:
        try:
            self.supervisor.open()
            self.refusal = ""
            if start:
                self.supervisor.start()
        except ContrailError as error:
            self.refusal = str(error)
        except Exception as error:
            log.exception("The lake cannot be driven")
            self.refusal = f"The lake {self.settings.lake_root} cannot be driven ({error}): mend that and press Start."

    def _stand_by(self) -> None:
        """Try again to drive a lake on S3: it may answer again, and the lease of a driver that died runs out."""
        wait = 0.0
        while not self._stop.wait(wait):
            wait = STANDBY_SECONDS
            if self.settings.on_s3 and self._switch.acquire(blocking=False):
                try:
                    self._give_up_what_is_lost()
                    if self.refusal:
                        self._drive(start=self.settings.autostart)
                finally:
                    self._switch.release()

    def _give_up_what_is_lost(self) -> None:
        if not self.refusal and (lost := self.supervisor.lost()):
            self.refusal = lost
            self.supervisor.close()
            self.supervisor = Supervisor(self.settings, log.info)

    def _begin_switch(self, user: str, settings: Settings) -> None:
        if not self._switch.acquire(blocking=False):
            raise StreamError("The feed is being switched already: wait until that is done.")
        self.switching = f"Switching to {settings.source}: stopping what runs"
        threading.Thread(target=self._do_switch, args=(user, settings), name="switch", daemon=True).start()

    def _do_switch(self, user: str, settings: Settings) -> None:
        try:
            if not self.refusal:
                self.supervisor.close()
            self.settings, self.supervisor = settings, Supervisor(settings, log.info)
            self._drive(start=True)
            # The new sky's own log begins with how it came here; the old one's ends with where it went.
            self._note(self.supervisor.lake, user, "switch feed", (settings.source,), self.refusal or "done")
        finally:
            self.switching = ""
            self._switch.release()

    def _follow(self) -> None:
        reader, sampled = Reader(self.supervisor.lake), 0.0
        while not self._stop.wait(S3_LOOK_SECONDS if self.settings.on_s3 else LOOK_SECONDS):
            if reader.lake != self.supervisor.lake:  # the feed was switched
                reader = Reader(self.supervisor.lake)
                self.latest = Snapshot(self.latest.version + 1)
                self.samples.clear()
            try:
                self.status = self._told_status()
                self.latest = looked(reader, self.latest)
            except Exception as error:
                log.warning("The tables cannot be read: %s", error)
                self.latest = replace(self.latest, version=self.latest.version + 1, trouble=str(error))
                time.sleep(1)
            if time.monotonic() - sampled >= SAMPLE_SECONDS and self.status is not None:
                sampled = time.monotonic()
                self.samples.append(self.status)

    def _told_status(self) -> dict[str, Any] | None:
        """The own supervisor's word, or what another driver published."""
        if not self.refusal:
            return self.supervisor.status()
        try:
            return serving.status(self.supervisor.lake)
        except ContrailError as error:
            return self.supervisor.status() | {"trouble": {"cause": str(error), "cure": ""}}


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
