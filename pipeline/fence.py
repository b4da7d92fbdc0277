"""Ends a JVM when its driver falls silent: a process of its own, as one that stands still cannot stop what it has started.

It reads lines: a number is the JVM to watch from now on, 0 for none, and an empty line says that the driver still has its lake.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys


def main(patience_seconds: float) -> None:
    """Watch until standard input ends, which it does with the driver."""
    watched, half = 0, b""
    while True:
        heard, _, _ = select.select([0], [], [], patience_seconds if watched else None)
        said = os.read(0, 4096) if heard else b""
        if not said:
            _end(watched)
            watched = 0
            if heard:
                return
        *lines, half = (half + said).split(b"\n")
        watched = next((int(line) for line in reversed(lines) if line), watched)


def _end(process: int) -> None:
    if process:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    main(float(sys.argv[1]))
