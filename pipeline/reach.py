"""How far a stream has read, as its table's log and its checkpoint tell: what is behind that is on its way, and not lost.

The log names, with each commit, the batch that wrote it; the checkpoint names the end of that batch in the table that the stream
reads (Delta's offset: the version, and the place in it while only a part of it is taken).
"""

from __future__ import annotations

import json

from pipeline import resets, soundness
from pipeline.serving import Reader

NOTHING = -1


def reached(reader: Reader, stream: str) -> int | None:
    """The last version of what a stream reads that is in its table, as `reader` has that; NOTHING of an empty one without a batch.

    None when nothing tells: no checkpoint, one that has forgotten that batch, or a version of which a part was taken.
    """
    lake, table = reader.lake, resets.TABLES[stream]
    place = soundness.checkpoint_of(lake, stream)
    metadata = soundness.body(lake, f"{place}/metadata") or b"{}"
    query = json.loads(metadata).get("id") if soundness.is_json(metadata) else None
    written = [reader.written(table, writer) for writer in (f"{query}", f"{table.name}:{query}")]
    batch = max((number for number in written if number is not None), default=None)
    if batch is None:
        return None if reader.one(table, "count(*) AS n")["n"] else NOTHING
    log = soundness.body(lake, f"{place}/offsets/{batch}")
    if log is None or not soundness.is_whole(log, 3):
        return None
    offset = json.loads(log.splitlines()[-1])
    return int(offset["reservoirVersion"]) - 1 if offset["index"] < 0 else None
