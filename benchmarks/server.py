"""A server of its own, as a measurement starts and ends it."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
LAST_WORDS = 30


@contextmanager
def running(
    command: list[str], environment: dict[str, str], log: Path, health: str, patience_seconds: float
) -> Iterator[psutil.Process]:
    """A server with these variables besides the own ones, once it answers at `health`; it has the patience to end by itself."""
    log.parent.mkdir(parents=True, exist_ok=True)
    told = psutil.Process().environ() | environment
    with log.open("ab") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=told, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    try:
        for _ in range(120):
            with suppress(OSError):
                urllib.request.urlopen(health, timeout=5)
                break
            time.sleep(0.5)
        yield psutil.Process(process.pid)
    except Exception:
        print("The server's last words:", *log.read_text(errors="replace").splitlines()[-LAST_WORDS:], sep="\n  ")
        raise
    finally:
        process.terminate()
        process.wait(patience_seconds)
