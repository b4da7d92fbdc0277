"""Whether a table's files are what they were: the id that Delta gave it, and a log that can be read; and the mending of one that is not.

Nothing is ever removed: what cannot be read is renamed, and stays beside the table.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pipeline import ops
from pipeline.errors import LakeError
from pipeline.tables import TABLES, Lake, Table

KNOWN = "tables.json"  # table -> the id that Delta gave it when it was made


def note(lake: Lake, *renewed: Table) -> None:
    """Remember the ids of the tables that are new, and of those that were made anew on purpose."""
    known = ops.read(lake, KNOWN) or {}
    new = [table for table in TABLES if table.name not in known or table in renewed]
    found = {table.name: one for table in new if (one := identity(lake, table))}
    if found:
        ops.write(lake, KNOWN, known | found)


def identity(lake: Lake, table: Table) -> str:
    """The id of a table that can be read; else empty. Raises LakeError when S3 does not answer."""
    return _identity_and_version(lake, table)[0]


def _identity_and_version(lake: Lake, table: Table) -> tuple[str, int]:
    """The same, and the table's newest version; -1 when it cannot be read."""
    with contextlib.suppress(DeltaError, OSError):
        opened = DeltaTable(lake.uri(table), storage_options=lake.storage_options, without_files=True)
        return str(opened.metadata().id), int(opened.version())
    lake.check_readable()
    return "", -1


def trouble(lake: Lake, table: Table) -> str:
    """What is wrong with a table, as the rest of a sentence; empty when nothing is."""
    return _looked_at(lake, table)[0]


def _looked_at(lake: Lake, table: Table) -> tuple[str, Path]:
    """What is wrong with a table, and the newest entry of its log."""
    (found, version), known = _identity_and_version(lake, table), (ops.read(lake, KNOWN) or {}).get(table.name)
    newest = lake.log(table) / f"{version:020}.json"
    if not found:
        is_gone = not lake.on_s3 and not lake.log(table).is_dir()
        return "was deleted" if is_gone else "is gone or cannot be read", newest
    if known and known != found:
        return "was deleted, and is there anew", newest
    # Behind a checkpoint of the log a table is read without that entry, but a stream that reads the table needs it.
    is_damaged = not lake.on_s3 and newest.exists() and not _is_whole(newest)
    return "has a log whose newest entry is damaged" if is_damaged else "", newest


class Watch:
    """Looks again and again whether the tables of a lake on a disk are what they were, while streams write them.

    A table is opened only where its log has not simply gone on: opening takes the longer the older a log is. So what happens to
    older entries and to checkpoints is not seen here, but by who needs them.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._newest: dict[Table, tuple[Path, tuple[int, int]]] = {}
        self._suspected: set[Table] = set()

    def lost(self) -> set[Table]:
        """The tables that are not: seen twice in a row, so that no reading went wrong once."""
        before, self._suspected = self._suspected, {one for one in TABLES if not self._is_well(one)}
        return before & self._suspected

    def _is_well(self, table: Table) -> bool:
        if self._has_gone_on(table):
            return True
        self._newest.pop(table, None)
        wrong, entry = _looked_at(self._lake, table)
        if not wrong and (mark := _mark(entry)):
            self._newest[table] = entry, mark
        return not wrong

    def _has_gone_on(self, table: Table) -> bool:
        """Whether the log still has the entry that was its newest, and all that came after it are whole."""
        entry, mark = self._newest.get(table, (None, None))
        while entry is not None and mark is not None and _mark(entry) == mark:
            following = entry.with_name(f"{int(entry.stem) + 1:020}.json")
            if not following.exists():
                self._newest[table] = entry, mark
                return True
            if not _is_whole(following):
                return False
            entry, mark = following, _mark(following)
        return False


def _mark(entry: Path) -> tuple[int, int] | None:
    """What tells an entry of a log from another one of its name; None when there is none."""
    try:
        told = entry.stat()
    except OSError:
        return None
    return told.st_ino, told.st_mtime_ns


def is_sound(lake: Lake, table: Table) -> bool:
    """Whether a table is there, readable and the same as ever."""
    return not trouble(lake, table)


def mended(lake: Lake, table: Table) -> bool:
    """Let a table be there and readable, empty where nothing of it can be read; whether there was anything to do.

    First the newest entries of its log that are not whole are set aside, then, where that does not help, all of it.
    """
    if is_sound(lake, table):
        return False
    if not lake.on_s3:
        _set_aside_entries(lake.log(table))
        if not identity(lake, table) and Path(lake.path(table)).exists():
            _set_aside(Path(lake.path(table)))
    list(lake.create())
    if not identity(lake, table):
        raise LakeError(f"The table {table.name} at {lake.path(table)} cannot be mended: bring it back from a copy.")
    note(lake, table)
    return True


def _set_aside_entries(log: Path) -> None:
    """Rename the newest entries that are no JSON to their end, down to the first that is."""
    for entry in sorted(log.glob("*.json"), reverse=True):
        if _is_whole(entry):
            return
        _set_aside(entry)


def _is_whole(entry: Path) -> bool:
    try:
        return bool([json.loads(line) for line in entry.read_bytes().splitlines()])
    except (ValueError, FileNotFoundError):
        return False


def _set_aside(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.damaged-{time.time_ns()}"))
