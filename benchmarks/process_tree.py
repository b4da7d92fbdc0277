"""CPU seconds and memory of this process and all it started: driver, JVM, Python workers, broker, feed."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

# CPU time of processes whose parent does not wait for its children, as when last looked at: when they end, it is added to nobody's.
# Spark's Python workers are such processes: their daemon ignores SIGCHLD, and ends one that had no work for a minute.
_unwaited: dict[psutil.Process, float] = {}
_looking = threading.Lock()


def cpu_seconds() -> float:
    """CPU time of the tree so far, ended members included; of those that nobody waited for, as much as an earlier call saw."""
    with _looking:
        living: dict[psutil.Process, float] = {}
        for process in _tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                living[process] = times.user + times.system + times.children_user + times.children_system
                if _forgets_children(process.ppid()):
                    _unwaited[process] = living[process]
        ended = sum(seconds for process, seconds in _unwaited.items() if process not in living)
        return ended + sum(living.values())


def _forgets_children(parent: int) -> bool:
    """Whether a process ignores SIGCHLD, so that its children's times are lost (Linux: wait(2))."""
    try:
        told = Path(f"/proc/{parent}/status").read_text()
    except OSError:
        return False
    ignored = next((line.split()[1] for line in told.splitlines() if line.startswith("SigIgn")), "0")
    return bool(int(ignored, 16) & (1 << (signal.SIGCHLD - 1)))


def memory_mib() -> float:
    """Memory of the tree in MiB; what processes share is counted once (PSS)."""
    total = 0
    for process in _tree():
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / 2**20


@contextlib.contextmanager
def peak_memory(every_seconds: float = 5.0) -> Iterator[list[float]]:
    """A list of samples in MiB, taken while the block runs; one at least, once it has ended."""
    samples: list[float] = []
    stop = threading.Event()

    def sample() -> None:
        samples.append(memory_mib())  # also of a block that ends before the next one
        while not stop.wait(every_seconds):
            samples.append(memory_mib())
            cpu_seconds()  # while workers that may end are still there

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
