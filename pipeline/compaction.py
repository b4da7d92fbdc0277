"""Many small files of a table become few, while streams write and read it: which files go together, and each engine's way.

A stream with a new checkpoint takes a table's files in the order of (modification time, path), and Silver's history and Gold's
watermark rest on that order. Delta's own OPTIMIZE packs files by size and dates the result with now, behind what was written
meanwhile. So here only neighbours in that order are put together, and the result takes the time of the last of them
(docs/decisions/compaction.md). Its commit says that no data changed: a stream that has read the small files does not read it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from pipeline.delta_commit import DeltaLog
from pipeline.tables import Lake, Table

TARGET_BYTES = 32 * 1024 * 1024
LEAST_FILES = 8  # fewer are left for the next time: what is rewritten grows slower than what is gained
MERGED_BYTES = 8 * 1024 * 1024
POOL = "housekeeping"


@dataclass(frozen=True)
class File:
    """One file of a table; `modified_ms` is what its log entry says (ms since 1970)."""

    path: str
    bytes: int
    modified_ms: int
    partition: object


def files(table: DeltaTable, partition: str) -> list[File]:
    """The files of the version that is open, in the order in which a new stream reads them."""
    told = pa.table(table.get_add_actions(flatten=True)).select(
        ["path", "size_bytes", "modification_time", f"partition.{partition}"]
    )
    found = (File(*row.values()) for row in told.to_pylist())
    return sorted(found, key=lambda file: (file.modified_ms, file.path))


def runs(ordered: Iterable[File], target: int = TARGET_BYTES, least: int = LEAST_FILES) -> Iterator[list[File]]:
    """Neighbours of one partition that become one file of at most `target` bytes each.

    Files of the same millisecond stay together: between two of them the path alone decides, which another path would change.
    """
    run: list[File] = []
    for _, same in itertools.groupby(ordered, key=lambda file: file.modified_ms):
        moment = list(same)
        together = run + moment
        fits = sum(file.bytes for file in together) <= target and len({file.partition for file in together}) == 1
        if not fits:
            if len(run) >= least:
                yield run
            alone = len({file.partition for file in moment}) == 1 and sum(file.bytes for file in moment) <= target
            together = moment if alone else []
        run = together
    if len(run) >= least:
        yield run


def by_spark(
    spark: SparkSession, lake: Lake, table: Table, may_go_on: Callable[[], bool] = lambda: True
) -> tuple[int, int]:
    """Compact a table that Spark writes; returns files before and after. Between two runs it rests as long as one took.

    Raises what Spark raises; what was committed before stays, and is right.
    """
    ordered = files(lake.open(table), table.partition)
    count = len(ordered)
    for run in runs(ordered, TARGET_BYTES, LEAST_FILES):
        if not may_go_on():
            break
        began = time.monotonic()
        if _rewritten(spark, lake.path(table), run):
            count -= len(run) - 1
        time.sleep(time.monotonic() - began)
    return len(ordered), count


def by_delta_rs(table: DeltaTable) -> tuple[int, int]:
    """Compact a table that delta-rs writes and that no stream reads; nobody else may write it meanwhile."""
    before = len(table.file_uris())
    if before >= LEAST_FILES:
        table.optimize.compact(target_size=MERGED_BYTES)
    return before, len(table.file_uris())


def _rewritten(spark: SparkSession, path: str, run: list[File]) -> bool:
    """Put the run's rows into one file, in one commit that leaves their place in the order as it was."""
    log = DeltaLog(spark, path)
    commit = log.begin()
    names = ", ".join(f"'{file.path}'" for file in run)
    old = commit.snapshot.allFiles().filter(f"path IN ({names})").collectAsList()
    if len(old) != len(run):
        return False  # removed meanwhile, by a reset
    rows = log.handle.createDataFrame(commit.snapshot, log.sequence(old), False, log.none)
    written = commit.files_of(DataFrame(rows, spark).coalesce(1))
    removed = [file.removeWithTimestamp(int(time.time() * 1000), False) for file in old]
    added = [_with(file, modificationTime=run[-1].modified_ms, dataChange=False) for file in written]
    commit.end([*removed, *added], log.compaction())
    return True


def _with(case: Any, **changed: Any) -> Any:
    """A Scala case class's copy with some fields changed."""
    names = case.productElementNames()
    fields = [names.next() for _ in range(case.productArity())]
    values = [changed.get(name, getattr(case, f"copy$default${place}")()) for place, name in enumerate(fields, 1)]
    return case.copy(*values)
