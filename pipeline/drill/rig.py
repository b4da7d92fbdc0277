"""Where a fault happens: a lake, an embedded broker and a driver's processes of its own, and a sky that flows through them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil

from pipeline import ops
from pipeline.audit import Report, audit
from pipeline.broker import end_offsets
from pipeline.drill.comparison import Difference, compared
from pipeline.drill.flow import STEP_SECONDS, Flow
from pipeline.drill.processes import contrail, descendants, end, finished, launched, running, wait_until
from pipeline.errors import DrillError, LakeError
from pipeline.graph import STREAMS
from pipeline.serving import Reader
from pipeline.settings import load
from pipeline.tables import BRONZE, FLIGHT_PHASE_COUNTS, Lake, lake_of

START_SECONDS = 300
MENDED_SECONDS = 300
CAUGHT_UP_SECONDS = 300
ENDED_SECONDS = 150
AUDIT_SECONDS = 0.5  # from one audit to the next, while the tables catch up
QUARANTINE_MS = 1000  # every judgement waits for it
AIRCRAFT, EVERY_SECONDS = 80, 0.5


class Rig:
    """Everything below `folder`; `environment` is what the driver is told besides (`CONTRAIL_*`).

    With `feed` the driver has its own feed; else the drill sends what flows.
    """

    def __init__(self, folder: Path, environment: dict[str, str] | None = None, *, feed: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        told = {"CONTRAIL_DATA": str(folder / "data"), "CONTRAIL_QUARANTINE_MS": str(QUARANTINE_MS)}
        self.environment = told | (environment or {})
        self.settings = load(self.environment)
        self.lake: Lake = lake_of(self.settings)
        self.driver: subprocess.Popen[bytes] | None = None
        self.feed = feed
        self.aircraft, self.every_seconds, self.step_seconds = AIRCRAFT, EVERY_SECONDS, STEP_SECONDS
        self._counted = 0
        self._flow: Flow | None = None

    @property
    def log(self) -> Path:
        """What the driver said."""
        return self.folder / "driver.log"

    @property
    def flow(self) -> Flow:
        """The sky that flows into this rig's Kafka; made at first use, paused."""
        if self._flow is None:
            self._flow = Flow(self.servers(), self.settings.topic, self.aircraft, self.every_seconds)
            self._flow.step_seconds = self.step_seconds
        return self._flow

    def launch(self) -> None:
        """Start the driver, and do not wait for it."""
        self.driver = launched(
            contrail("run", *([] if self.feed else ["--no-feed"])), self.environment, self.log, self.log
        )

    def start(self) -> None:
        """Start the driver, let the sky flow, and wait until Gold counts it."""
        before = self.counted()
        self.launch()
        wait_until(lambda: bool(self.servers()) and self.part("bronze")["state"] == "running",
                   START_SECONDS, lambda: f"the driver starts\n{self.last_words()}")  # fmt: skip
        self.go()
        self.wait_for_gold(before, START_SECONDS)

    @contextlib.contextmanager
    def standing(self) -> Iterator[Self]:
        """Started while the block runs, and closed after it, also when it never came up."""
        try:
            self.start()
            yield self
        finally:
            self.close()

    def go(self) -> None:
        """Let the sky flow."""
        if not self.feed:
            self.flow.go()

    def rest(self) -> None:
        """Let nothing new come."""
        self.flow.pause()

    def wait_for_gold(self, before: int, seconds: float = MENDED_SECONDS) -> None:
        """Wait until Gold counts more observations than `before`, and every stream runs."""
        wait_until(lambda: self.counted() > before, seconds, lambda: f"Gold goes on\n{self.last_words()}")
        wait_until(self.well, seconds, lambda: f"every stream runs\n{self.last_words()}")

    def well(self) -> bool:
        """Whether every stream runs."""
        return all(self.part(name)["state"] in ("running", "stalled") for name in STREAMS)

    def mended(self) -> float:
        """Seconds from now until Gold has counted what comes from now on, and every stream runs."""
        began, before = time.monotonic(), self.counted()
        self.wait_for_gold(before)
        return time.monotonic() - began

    def kill(self) -> None:
        """End the driver as `kill -9` does, and wait until all that it started has ended by itself. Raises DrillError if not."""
        driver = self._driven()
        family = list(descendants(driver.pid).values())
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        self._all_gone(family)

    def terminate(self) -> int:
        """End the driver by SIGTERM; its exit code. Raises DrillError when something outlives it."""
        driver = self._driven()
        family = list(descendants(driver.pid).values())
        driver.terminate()
        code = driver.wait(ENDED_SECONDS)
        self._all_gone(family)
        return code

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `contrail` command on this rig's lake, to its end."""
        return finished(contrail(*arguments), self.environment, self.folder)

    def children(self, words: str) -> list[psutil.Process]:
        """The driver's processes whose command line has these words."""
        return running(self._driven().pid, words)

    def status(self) -> dict[str, Any]:
        """What the driver that runs now has published; empty before its first word."""
        told: dict[str, Any] | None = None
        with contextlib.suppress(LakeError, OSError):
            told = ops.read(self.lake, ops.STATUS)
        return told if told and self.driver is not None and told["pid"] == self.driver.pid else {"parts": {}}

    def part(self, name: str) -> dict[str, Any]:
        """How one stream is."""
        found: dict[str, Any] = self.status()["parts"].get(name) or {"state": "", "cause": None, "cure": None}
        return found

    def servers(self) -> str:
        """Kafka's address; empty while it does not run."""
        return str(self.status().get("kafka") or "")

    def counted(self) -> int:
        """Observations in Gold; those known last while the table cannot be read."""
        reader = Reader(self.lake)
        with contextlib.suppress(Exception):  # a table in the middle of a fault, whatever that is
            if reader.refresh(FLIGHT_PHASE_COUNTS) >= 0:
                told = reader.one(FLIGHT_PHASE_COUNTS, "coalesce(sum(observations), 0) AS n")
                self._counted = int(told["n"])
        return self._counted

    def last_words(self) -> str:
        """The end of what the driver said."""
        return "\n".join(f"    {line}" for line in self.said().splitlines()[-6:])

    def said(self) -> str:
        """All that the driver said so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def judge(self) -> Difference:
        """Let everything come to rest, then compare every table with the oracle's, and audit them.

        Raises DrillError when Bronze lacks what Kafka has, when Kafka has not what was sent, or when the audit finds a fault.
        """
        report = self.settle()
        found = compared(self.lake)
        if not (report.settled or found.lost or found.repeated or found.wrong):
            raise DrillError(report.as_text())
        return found

    def settle(self) -> Report:
        """Let everything that was sent come to rest in the tables; what the audit then says, or says when time is up.

        Raises DrillError when Kafka has not what was sent.
        """
        self.rest()
        wait_until(lambda: self.well() and self._bronze_has_all(), CAUGHT_UP_SECONDS, "Bronze has all that Kafka has")
        deadline, began = time.monotonic() + CAUGHT_UP_SECONDS, time.monotonic()
        while not (report := audit(self.lake)).settled and time.monotonic() < deadline:
            time.sleep(max(AUDIT_SECONDS, time.monotonic() - began))  # half of the time is the streams'
            began = time.monotonic()
        return report

    def close(self) -> None:
        """End what is left of it."""
        if self._flow is not None:
            self._flow.close()
        if self.driver is not None:
            end(self.driver)

    def _driven(self) -> subprocess.Popen[bytes]:
        if self.driver is None:
            raise DrillError("No driver was started.")
        return self.driver

    def _all_gone(self, family: list[psutil.Process]) -> None:
        _, alive = psutil.wait_procs(family, timeout=40)
        if alive:
            raise DrillError(f"{len(alive)} processes outlive their driver, {alive[0].name()} among them.")

    def _bronze_has_all(self) -> bool:
        """Whether Bronze ends where Kafka ends, and Kafka has as many messages as were acknowledged."""
        ends = end_offsets(self.servers(), self.settings.topic)
        reader = Reader(self.lake)
        if reader.refresh(BRONZE) < 0:
            return False
        held = {
            row["p"]: row["o"] + 1 for row in reader.rows(BRONZE, 'partition AS p, max("offset") AS o', "GROUP BY 1")
        }
        stored = sum(last - first for first, last in ends.values())
        if self._flow is not None and stored != self._flow.sent:
            raise DrillError(f"Kafka has {stored:,} messages, but {self.flow.sent:,} were acknowledged.")
        return all(held.get(number, 0) == last for number, (_, last) in ends.items())
