"""Whether a stream finds what it needs: its tables, whole and the same as ever, and a checkpoint without gaps.

Spark takes a missing checkpoint for a new stream, and a missing table for a new table: it would begin anew and count twice, or
go on and lose what was there. So that is looked for before a stream starts, and a stream that cannot go on says what helps.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pipeline import object_store, resets, table_store
from pipeline.errors import ContrailError, DamageError
from pipeline.serving import Reader
from pipeline.tables import Lake, Table

FIRST_LINE = re.compile(rb"v\d+")


def check_table(lake: Lake, table: Table) -> None:
    """Raises DamageError when a table is gone, was made anew by somebody else, or cannot be read."""
    if trouble := table_store.trouble(lake, table):
        raise DamageError(f"The table {table.name} {trouble}.", resets.cure(owner_of(table)))


def check_checkpoint(lake: Lake, stream: str) -> None:
    """Raises DamageError when a stream's checkpoint lacks something that Spark would not miss, or could not read.

    Bronze may lack all of it: then it goes on behind the last message that its table holds.
    """
    place = checkpoint_of(lake, stream)
    offsets, commits = numbers(lake, f"{place}/offsets"), numbers(lake, f"{place}/commits")
    metadata = body(lake, f"{place}/metadata")
    if metadata is None and not offsets and not commits:
        if stream != "bronze" and _has_begun(lake, stream):
            raise DamageError(f"The checkpoint of {stream} is gone.", resets.cure(stream))
        return
    needed = _needed(offsets, commits)
    broken = [name for name, lines in needed.items() if not is_whole(body(lake, f"{place}/{name}"), lines)]
    if "id" not in last_line(metadata):
        broken.append("metadata")
    if commits and max(commits) > max(offsets, default=-1):
        broken.append(f"offsets/{max(commits)}")
    if broken:
        raise DamageError(f"The checkpoint of {stream} is damaged ({broken[0]}).", resets.cure(stream))


def checkpoint_of(lake: Lake, stream: str) -> str:
    """The folder of the checkpoint that a stream uses now, from the lake's root on, as `numbers` and `body` take it."""
    return f"checkpoints/{Path(lake.checkpoint(stream, resets.generation(lake, stream))).name}"


def owner_of(table: Table) -> str:
    """The stream that writes a table; the table's own name where none does."""
    return next((stream for stream, written in resets.TABLES.items() if written == table), table.name)


def numbers(lake: Lake, folder: str) -> list[int]:
    """The batches that have a file in a checkpoint's folder."""
    if lake.on_s3:
        names = object_store.names(lake, folder)
    else:
        path = Path(lake.root, folder)
        names = [one.name for one in path.iterdir()] if path.is_dir() else []
    return sorted(int(name) for name in names if name.isdigit())


def body(lake: Lake, name: str) -> bytes | None:
    """A file of the lake; None when there is none."""
    if lake.on_s3:
        return object_store.body(lake, name)
    try:
        return Path(lake.root, name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_whole(log: bytes | None, least: int) -> bool:
    """Whether a file of a checkpoint's log is a version and then lines of JSON, the last one to its end; so many at least."""
    lines = (log or b"").splitlines()
    return (
        len(lines) >= least
        and FIRST_LINE.fullmatch(lines[0]) is not None
        and all(is_json(line) for line in lines[1:] if line != b"-")
    )


def last_line(log: bytes | None) -> dict[str, Any]:
    """The JSON object that a file of a checkpoint ends with; an empty one when it does not end with any."""
    lines = (log or b"").splitlines()
    told = json.loads(lines[-1]) if lines and is_json(lines[-1]) else None
    return told if isinstance(told, dict) else {}


def is_json(text: bytes) -> bool:
    """Whether a text is JSON."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _needed(offsets: list[int], commits: list[int]) -> dict[str, int]:
    """What Spark reads of a checkpoint's logs when a stream starts: the last two batches, and the last that was finished.

    Each with the lines that it has at least: the version; watermark and settings, or what was finished; and where the source is.
    """
    last = [number for number in (offsets[-1], offsets[-1] - 1) if number >= 0] if offsets else []
    return {f"offsets/{number}": 3 for number in last} | {f"commits/{number}": 2 for number in commits[-1:]}


def _has_begun(lake: Lake, stream: str) -> bool:
    """Whether a stream's table holds anything: a reset has emptied it."""
    reader = Reader(lake)
    try:
        table = resets.TABLES[stream]
        return reader.refresh(table) >= 0 and bool(reader.one(table, "count(*) AS n")["n"])
    except ContrailError:
        return False
