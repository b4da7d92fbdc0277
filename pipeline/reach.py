"""How far a stream has read, as its table's log and its checkpoint tell: what is behind that is on its way, and not lost.

The log names, with each commit, the batch that wrote it; the checkpoint names the end of that batch in the table that the stream
reads (Delta's offset: the version, and the place in it while only a part of it is taken).
"""

from __future__ import annotations

from pipeline import resets, soundness
from pipeline.serving import Reader
from pipeline.tables import BRONZE, Lake

NOTHING = -1


def reached(reader: Reader, stream: str) -> int | None:
    """The last version of what a stream reads that is in its table, as `reader` has that; NOTHING of an empty one without a batch.

    None when nothing tells: no checkpoint, one that has forgotten that batch, or a version of which a part was taken.
    """
    lake, table = reader.lake, resets.TABLES[stream]
    place = soundness.checkpoint_of(lake, stream)
    query = soundness.last_line(soundness.body(lake, f"{place}/metadata")).get("id")
    written = [reader.written(table, writer) for writer in (f"{query}", f"{table.name}:{query}")]
    batch = max((number for number in written if number is not None), default=None)
    if batch is None:
        return None if reader.one(table, "count(*) AS n")["n"] else NOTHING
    version, whole = end_of(lake, stream, batch)
    return version if whole else None


def end_of(lake: Lake, stream: str, batch: int) -> tuple[int | None, bool]:
    """The last version from which a stream's batch took anything, and whether it took all of that; None when nothing tells."""
    told = soundness.last_line(soundness.body(lake, f"{soundness.checkpoint_of(lake, stream)}/offsets/{batch}"))
    version, index = told.get("reservoirVersion"), told.get("index")
    if not isinstance(version, int) or not isinstance(index, int):
        return None, False
    return (version - 1, True) if index < 0 else (version, False)


def has_begun(lake: Lake, stream: str) -> bool:
    """Whether a stream has finished a batch with the checkpoint that it uses now."""
    return bool(soundness.numbers(lake, f"{soundness.checkpoint_of(lake, stream)}/commits"))


def end_of_bronze(lake: Lake, topic: str) -> dict[int, int]:
    """Partition of a topic -> offset after the last of its messages in Bronze's table; empty when there is none."""
    reader = Reader(lake)
    if reader.refresh(BRONZE) < 0:
        return {}
    held = reader.rows(BRONZE, 'partition AS p, max("offset") AS o', f"WHERE topic = '{topic}' GROUP BY partition")
    return {row["p"]: row["o"] + 1 for row in held}
