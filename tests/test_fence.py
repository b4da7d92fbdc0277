"""The fence ends what a silent driver has started, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pipeline import fence

PATIENCE = 1.0


@pytest.fixture
def watched() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def guard() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-I", "-S", fence.__file__, str(PATIENCE)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0)
    yield process
    process.kill()
    process.wait()


def say(guard: subprocess.Popen[bytes], words: str) -> None:
    assert guard.stdin is not None
    guard.stdin.write(words.encode())


def test_silence_ends_what_it_watches(guard, watched):
    say(guard, f"{watched.pid}\n")
    assert watched.wait(20) == -9
    assert guard.poll() is None  # it waits for the next one


def test_a_driver_that_speaks_keeps_its_jvm(guard, watched):
    say(guard, f"{watched.pid}\n")
    for _ in range(8):
        time.sleep(PATIENCE / 4)
        say(guard, "\n")
    assert watched.poll() is None


def test_a_driver_that_died_takes_its_jvm_along(guard, watched):
    say(guard, f"{watched.pid}\n\n")
    guard.stdin.close()
    assert watched.wait(20) == -9
    assert guard.wait(20) == 0


def test_what_is_no_longer_watched_is_left_alone(guard, watched):
    say(guard, f"{watched.pid}\n0\n")
    time.sleep(2 * PATIENCE)
    guard.stdin.close()
    assert guard.wait(20) == 0
    assert watched.poll() is None
