"""CPU seconds and memory of this process and all it started: driver, JVM, Python workers, broker, feed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psutil


def cpu_seconds() -> float:
    """CPU time of the tree so far, ended children of its members included."""
    total = 0.0
    for process in _tree():
        with contextlib.suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


def memory_mib() -> float:
    """Memory of the tree in MiB; what processes share is counted once (PSS)."""
    total = 0
    for process in _tree():
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 2**20


@contextlib.contextmanager
def peak_memory(every_seconds: float = 5.0) -> Iterator[list[float]]:
    """A list of samples in MiB, taken while the block runs."""
    samples: list[float] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(every_seconds):
            samples.append(memory_mib())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def _tree() -> list[psutil.Process]:
    me = psutil.Process()
    return [me, *me.children(recursive=True)]
