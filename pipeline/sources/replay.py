"""A recording played again: `.jsonl` or `.jsonl.gz`, one API answer a line, as `contrail record` writes it."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import orjson

from pipeline.errors import FeedError
from pipeline.sources import Answer, Report, Wait


class Replay:
    """A feed from a file, `speed` times as fast as it was recorded; 0 is as fast as possible. It ends with the file."""

    name = "replay"

    def __init__(self, path: Path, speed: float) -> None:
        self.path = path
        self.speed = speed
        self.fingerprint = fingerprint(path)
        self.begins = next(recorded(path)).time

    def answers(self, wait: Wait, report: Report) -> Iterator[Answer]:
        """The answers in their order, each at its moment."""
        before: int | None = None
        for number, answer in enumerate(recorded(self.path), 1):
            pause = (answer.time - before) / self.speed if self.speed and before is not None else 0.0
            if wait(max(0.0, pause)):
                return
            before = answer.time
            report(played=number)
            yield answer


def recorded(path: Path) -> Iterator[Answer]:
    """The answers in a recording.

    Raises FeedError, with the line's number, where a line is no answer; and when there is none at all.
    """
    number, found = 0, False
    try:
        with _opened(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _answer(line, path, number)
                    found = True
    except (OSError, EOFError, zlib.error) as error:
        cause = getattr(error, "strerror", None) or error
        raise FeedError(
            f"The recording {path} cannot be read after line {number} ({cause}): check CONTRAIL_FILE."
        ) from None
    if not found:
        raise FeedError(f"The recording {path} is empty: `contrail record {path}` makes one.")


def fingerprint(path: Path) -> str:
    """What tells one recording from another: a digest of its beginning, and its size."""
    try:
        with path.open("rb") as file:
            return f"{hashlib.sha256(file.read(1 << 16)).hexdigest()[:16]}-{path.stat().st_size}"
    except OSError as error:
        raise FeedError(f"The recording {path} cannot be read ({error.strerror}): check CONTRAIL_FILE.") from None


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _answer(line: bytes, path: Path, number: int) -> Answer:
    try:
        answer = orjson.loads(line)
        time, states = answer["time"], answer["states"]
        if type(time) is not int or not isinstance(states, list | None):
            raise TypeError
        return Answer(time, states or [])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise FeedError(
            f'Line {number} of {path} is no API answer: it has to be {{"time": …, "states": [[…], …]}}, but is {line[:60]!r}.'
        ) from None
