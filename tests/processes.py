"""Contrail's own processes as a test starts and ends them: each by its own id, children included, whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def started(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the background; at the end it and all that it started are gone."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    family: dict[int, psutil.Process] = {}
    try:
        yield process
    finally:
        family |= descendants(process.pid)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in family.values():
            if child.is_running():
                child.kill()


def finished(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A program that ends by itself within minutes, with what it said; after that it and all that it started are gone."""
    said, complained = folder / "stdout", folder / "stderr"
    with said.open("wb") as output, complained.open("wb") as errors:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=output, stderr=errors, stdin=subprocess.DEVNULL
        )
        try:
            process.wait(180)
        finally:
            family = descendants(process.pid)
            for one in ([psutil.Process(process.pid)] if process.poll() is None else []) + list(family.values()):
                one.kill()
    return subprocess.CompletedProcess(command, process.returncode, said.read_text(), complained.read_text())


def descendants(pid: int) -> dict[int, psutil.Process]:
    """All processes below one."""
    try:
        return {child.pid: child for child in psutil.Process(pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return {}


def contrail(*arguments: str) -> list[str]:
    """The command line of a `contrail` command."""
    return [sys.executable, "-m", "pipeline", *arguments]


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something that has to come true; the message says what did not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.25)
