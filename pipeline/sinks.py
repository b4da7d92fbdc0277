"""How a stream writes: by appending, or by a merge that a replayed batch cannot apply twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.readwriter import DataStreamWriter

from pipeline import late, reach, soundness
from pipeline.delta_commit import DeltaLog
from pipeline.late import Again
from pipeline.tables import Lake, Table

_turns: dict[str, threading.Lock] = {}


def turn(lake: Lake, table: Table) -> threading.Lock:
    """Who writes a table that is merged into: a compaction would make a merge beside it fail, so each waits for the other."""
    return _turns.setdefault(lake.path(table), threading.Lock())


@dataclass(frozen=True)
class Append:
    """Append every row once: Delta's own streaming sink, but for the Spark job with which that one looks for the batch.

    docs/decisions/append-sink.md has the figures.
    """

    table: Table

    def write(self, rows: DataFrame, lake: Lake) -> DataStreamWriter:
        """The stream's writer, not started."""
        log = DeltaLog(rows.sparkSession, lake.path(self.table))

        def append(batch: DataFrame, number: int) -> None:
            commit, query = log.begin(), query_of(batch)
            if commit.last_batch(query) < number:
                commit.end([log.batch(query, number), *commit.files_of(batch)], log.update_of(query, number))
            else:
                batch.write.format("noop").mode("overwrite").save()  # read all the same: a state is made of it

        return rows.writeStream.outputMode("append").foreachBatch(append)


def query_of(batch: DataFrame) -> str:
    """The id of the streaming query whose batch this is; its checkpoint keeps it."""
    return str(batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId"))


@dataclass(frozen=True)
class Merge:
    """Replace the rows that have the same keys: the few rows of a Gold update, merged by delta-rs."""

    table: Table
    keys: tuple[str, ...]
    again: Again

    def write(self, rows: DataFrame, lake: Lake) -> DataStreamWriter:
        """The stream's writer, not started."""
        return rows.writeStream.outputMode("update").foreachBatch(self._batch(lake, rows.sparkSession))

    def _batch(self, lake: Lake, session: SparkSession) -> Callable[[DataFrame, int], None]:
        opened: list[DeltaTable] = []

        def merge(rows: DataFrame, batch: int) -> None:
            query = query_of(rows)
            # Collected before anything may be skipped: Spark checks that a stateful batch was read.
            update = self._stamped(self._with_late(session, lake, query, batch, rows.toArrow()))
            if not opened:
                opened.append(lake.open(self.table))
            try:
                with turn(lake, self.table):
                    self._merge(opened[0], update, f"{self.table.name}:{query}", batch)
            except BaseException:
                opened.clear()
                raise

        return merge

    def _with_late(self, spark: SparkSession, lake: Lake, query: str, batch: int, update: pa.Table) -> pa.Table:
        """The update, with the closed windows that this batch had rows for."""
        if not late.dropped(spark, query):
            return update
        version, _ = reach.end_of(lake, soundness.owner_of(self.table), batch)
        brought = set(update["window_start"].to_pylist())
        mended = late.windows(spark, lake, self.table, self.again, brought, version)
        return update if mended is None else pa.concat_tables([update, mended.cast(update.schema)])

    def _stamped(self, update: pa.Table) -> pa.Table:
        now = datetime.now(UTC)
        for written in ("created_at", "updated_at"):
            update = update.append_column(written, pa.array([now] * len(update), pa.timestamp("us", tz="UTC")))
        update = update.append_column("date", update["window_start"].cast(pa.date32()))
        return update.select(self.table.schema.names).cast(self.table.schema)

    def _merge(self, table: DeltaTable, update: pa.Table, writer: str, batch: int) -> None:
        table.update_incremental()
        written = table.transaction_version(writer)
        if written is not None and written >= batch:
            return
        done = CommitProperties(app_transactions=[Transaction(writer, batch)])
        if len(update) == 0:
            # The table tells how far its stream has read, also when a batch had nothing to say.
            table.create_write_transaction([], "append", table.schema(), [self.table.partition], commit_properties=done)
            return
        merger: Any = table.merge(
            update,
            predicate=self._predicate(update),
            source_alias="new",
            target_alias="old",
            streamed_exec=False,
            commit_properties=done,
        )
        merger.when_matched_update_all(except_cols=["created_at"]).when_not_matched_insert_all().execute()

    def _predicate(self, update: pa.Table) -> str:
        """Equal keys; and bounds as constants, so that older files are not even opened."""
        same = [f"old.{key} = new.{key}" for key in ("date", *self.keys)]
        dates = ", ".join(sorted({f"DATE '{day}'" for day in update["date"].to_pylist()}))
        oldest = min(update["window_start"].to_pylist()).strftime("%Y-%m-%dT%H:%M:%SZ")
        return " AND ".join([*same, f"old.date IN ({dates})", f"old.window_start >= TIMESTAMP '{oldest}'"])
