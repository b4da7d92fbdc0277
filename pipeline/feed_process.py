"""The feed as a child process: its Python work never competes with the page or the driver."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.settings import Settings, as_environment, foreign_environment


class FeedProcess:
    """Starts and stops `pipeline.producer` with the driver's settings, and reads what it reports of itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def started(self) -> bool:
        """Whether it was started and not taken note of as ended."""
        return self._process is not None

    def start(self, servers: str) -> None:
        """Start it; it feeds the Kafka at `servers` and ends when this process does, however that ends."""
        self._status_file.unlink(missing_ok=True)
        told = dataclasses.replace(self._settings, kafka=servers, data=str(self._settings.data_folder))
        log = self._settings.data_folder / "logs" / "feed.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.producer", str(self._status_file)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=foreign_environment() | as_environment(told),
                start_new_session=True,
            )

    def report(self) -> dict[str, Any]:
        """What it said last; empty before its first word."""
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(self._status_file.read_text())
            return found
        return {}

    def ended(self) -> int | None:
        """Its exit code, once, when it has ended by itself; None otherwise."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            self._process = None
        return code

    def stop(self, patience_seconds: float) -> None:
        """End it in order, or by force when that takes too long."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def _status_file(self) -> Path:
        return self._settings.data_folder / "state" / "feed.json"
