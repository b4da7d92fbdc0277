"""A server of its own, as a measurement starts and ends it."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from pipeline.broker import free_port

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


@contextmanager
def page_served(folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the process of the operator's page, as `make run` serves it; its log is in `folder`."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/app"
    command = [sys.executable, "-m", "panel", "serve", str(ROOT / "app"), "--address", "127.0.0.1", "--port", str(port)]
    told = {"CONTRAIL_DATA": str(folder)} | environment
    with running(command, told, folder / "page.log", address, patience_seconds=60) as process:
        yield address, process
