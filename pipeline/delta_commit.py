"""A commit to a table by Delta's own engine, step by step: what its commands and its streaming sink cannot be asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from pyspark.sql import DataFrame, SparkSession


class DeltaLog:
    """The log of the table at `path`, as the JVM has it. Made once for many commits: each name of the JVM's takes round trips."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        jvm: Any = spark._jvm
        delta = jvm.org.apache.spark.sql.delta
        self.none = getattr(jvm.scala, "None$").__getattr__("MODULE$")
        self.handle = delta.DeltaLog.forTable(spark._jsparkSession, path)
        self._some, self._list, self._batch = jvm.scala.Some, jvm.java.util.ArrayList, delta.actions.SetTransaction
        self._lists = jvm.scala.jdk.javaapi.CollectionConverters
        self._append = jvm.org.apache.spark.sql.streaming.OutputMode.Append()
        self._update, self._optimize = (
            getattr(delta, f"DeltaOperations${name}") for name in ("StreamingUpdate", "Optimize")
        )

    def begin(self) -> Commit:
        """A transaction on the table as it is now."""
        return Commit(self, self.handle.startTransaction(self.none, self.none))

    def batch(self, query: str, number: int) -> Any:
        """What a commit holds of the batch that it is, beside its files; `Commit.last_batch` reads it."""
        return self._batch(query, number, self._some(int(time.time() * 1000)))

    def update_of(self, query: str, number: int) -> Any:
        """How the table's history names the batch of a stream."""
        return self._update(self._append, query, number, self.none)

    def compaction(self) -> Any:
        """How the table's history names a compaction: as Delta's own command does."""
        return self._optimize(self.sequence([]), self.sequence([]), False, self.none, False)

    def sequence(self, items: Iterable[Any]) -> Any:
        """Items as a sequence of Scala's."""
        made = self._list()
        for item in items:
            made.add(item)
        return self._lists.asScala(made).toSeq()


class Commit:
    """One transaction on a table. Raises what Spark raises."""

    def __init__(self, log: DeltaLog, transaction: Any) -> None:
        self._log, self._transaction = log, transaction
        self.snapshot = transaction.snapshot()

    def last_batch(self, query: str) -> int:
        """The last batch that a streaming query has committed to the table; -1 for none.

        Who commits one of that query between the beginning of this transaction and its end makes this one fail.
        """
        known = self._told_by_checksum()
        if known is None:
            return int(self._transaction.txnVersion(query))  # a Spark job that goes through the table's log
        self._transaction.readTxn().addOne(query)
        return max((int(one.version()) for one in known if one.appId() == query), default=-1)

    def files_of(self, rows: DataFrame) -> list[Any]:
        """Write rows as files of the table, one a task; they belong to it once they are committed."""
        return items(self._transaction.writeFiles(rows._jdf))

    def end(self, actions: Iterable[Any], operation: Any) -> None:
        """Commit these actions, under an operation's name."""
        self._transaction.commit(self._log.sequence(actions), operation)

    def _told_by_checksum(self) -> list[Any] | None:
        """The last batch of each query, as the file beside the log's newest entry has them; None where it has not."""
        checksum = self.snapshot.checksumOpt()
        told = checksum.get().setTransactions() if checksum.isDefined() else checksum
        return items(told.get()) if told.isDefined() else None


def items(sequence: Any) -> list[Any]:
    """The items of a sequence of Scala's: by their places, since the end of an iterator is an exception, which Spark looks at in
    seventy calls of the JVM."""
    return [sequence.apply(place) for place in range(sequence.length())]
