"""Contrail's own processes as drill and tests start and end them: each by its own id, children included, whatever happens."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import psutil

from pipeline.errors import DrillError
from pipeline.settings import foreign_environment

LONGEST_SECONDS = 420  # a cluster's cold start on two busy cores
ENDING_SECONDS = 40


class NotInTime(DrillError, TimeoutError):
    """Something did not come true."""


def launched(command: list[str], environment: dict[str, str], said: Path, complained: Path) -> subprocess.Popen[bytes]:
    """A program in the background, with no setting of Contrail but those in `environment`."""
    with said.open("ab") as output, complained.open("ab") as errors:
        return subprocess.Popen(
            command, env=foreign_environment() | environment, stdout=output, stderr=errors, stdin=subprocess.DEVNULL
        )


@contextmanager
def started(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the background; at the end it and all that it started are gone."""
    process = launched(command, environment, log, log)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program in order, or by force when that takes too long; and what it has left behind."""
    family = descendants(process.pid)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for child in family.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def finished(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A program that ends by itself within `LONGEST_SECONDS`, with what it said; after that it and all that it started are gone."""
    said, complained = folder / "stdout", folder / "stderr"
    for path in (said, complained):
        path.write_bytes(b"")
    process = launched(command, environment, said, complained)
    try:
        process.wait(LONGEST_SECONDS)
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


def running(pid: int, words: str) -> list[psutil.Process]:
    """The processes below one whose command line has these words."""
    found = []
    for child in descendants(pid).values():
        with contextlib.suppress(psutil.Error):
            if words in " ".join(child.cmdline()) and child.cmdline()[0] != "sh":
                found.append(child)
    return found


def contrail(*arguments: str) -> list[str]:
    """The command line of a `contrail` command."""
    return [sys.executable, "-m", "pipeline", *arguments]


def wait_until(
    holds: Callable[[], bool], seconds: float, what: str | Callable[[], str], *, every: float = 0.25
) -> None:
    """Wait for something that has to come true; NotInTime says what did not, in words found when time is up."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {seconds:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(every)


def answers(address: str) -> bool:
    """Whether a server answers there with status 200."""
    with contextlib.suppress(OSError, HTTPException), urllib.request.urlopen(address, timeout=30) as answer:
        return int(answer.status) == 200
    return False
