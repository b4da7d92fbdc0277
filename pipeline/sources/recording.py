"""Writing a feed's answers to a file that `replay` can play."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO

import orjson

from pipeline.errors import FeedError
from pipeline.sources import Source


def record(source: Source, path: Path, most: int | None, stop: threading.Event, say: Callable[[str], None]) -> int:
    """Append answers to `path`, one a line, until `most` are written, the feed ends or `stop` is set; returns how many.

    Every line is on the disk before the next answer is asked for; the file can be played while it grows.
    """
    written = 0
    for answer in source.answers(stop.wait, lambda **_: None):
        try:
            with closing(_appending(path)) as file:
                file.write(orjson.dumps({"time": answer.time, "states": answer.states}) + b"\n")
        except OSError as error:
            raise FeedError(f"{path} cannot be written ({error.strerror}): choose another file.") from None
        written += 1
        say(f"{written}: time {answer.time}, {len(answer.states):,} states")
        if stop.is_set() or (most is not None and written >= most):
            break
    return written


def _appending(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return gzip.open(path, "ab") if path.suffix == ".gz" else path.open("ab")  # type: ignore[return-value]
