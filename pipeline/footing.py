"""What the streams stand on: the embedded broker, the topic, the tables and Spark's JVM, each made when it is needed."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from pipeline import spark, table_store
from pipeline.broker import Broker, create_topic
from pipeline.diagnosis import explain
from pipeline.kafka_security import security_of
from pipeline.lease import DriverLock
from pipeline.part import backoff_seconds
from pipeline.settings import Settings
from pipeline.tables import Lake

log = logging.getLogger("contrail")


class Footing:
    """Of one driver. `trouble`: cause and cure of a set-up that failed and is tried again, None while there is none."""

    def __init__(
        self, settings: Settings, lake: Lake, lock: DriverLock, say: Callable[[str], None], archives: Path | None
    ) -> None:
        self._settings, self._lake, self._lock, self._say, self._archives = settings, lake, lock, say, archives
        own = settings.kafka is None
        self._broker = Broker(settings.data_folder / "kafka", settings.cache_folder, archives) if own else None
        self._topic_made = False
        self._had_jvm = False
        self._retry_at, self._failures = 0.0, 0
        self.spark: SparkSession | None = None
        self.trouble: tuple[str, str] | None = None

    @property
    def servers(self) -> str:
        """Kafka's address; empty while the embedded broker does not run."""
        if self._settings.kafka is not None:
            return self._settings.kafka
        return self._broker.servers if self._broker is not None and self._broker.alive() else ""

    def want(self) -> None:
        """Try a set-up that failed again at once."""
        self._retry_at = 0.0

    def rest(self) -> None:
        """Nothing is wanted any more: what could not be set up is no trouble."""
        self.trouble = None

    def lost_broker(self) -> bool:
        """Whether the embedded broker ran and is gone."""
        return self._broker is not None and self._topic_made and not self._broker.alive()

    def is_there(self, *, for_streams: bool, meanwhile: Callable[[], None]) -> bool:
        """Whether broker and topic are there and, `for_streams`, tables and Spark; what is missing is made now.

        What fails is kept in `trouble` and tried again later. `meanwhile` is called before Spark is started, which takes its time.
        """
        if time.time() < self._retry_at:
            return False
        try:
            self._set_up_kafka()
            if for_streams and self.spark is None:
                meanwhile()
                self._set_up_spark()
        except Exception as error:
            self._set_up_failed(error)
            return False
        self._failures, self.trouble = 0, None
        return True

    def notice_dead_jvm(self) -> bool:
        """Whether Spark's JVM has died since the last look; another one is started when it is asked for."""
        if self.spark is None or spark.jvm_alive():
            return False
        log.warning("The Spark driver's JVM died; it is started again.")
        spark.forget_jvm()
        self._lock.watch(0)
        self.spark = None
        return True

    def end_writing(self) -> None:
        """Called by the lease, on its thread: the lake may be another driver's. A JVM that others started is left alone."""
        if self._had_jvm:
            spark.kill_jvm()

    def close(self, patience_seconds: float) -> None:
        """End Spark and the broker."""
        if self.spark is not None:
            with contextlib.suppress(Exception):
                self.spark.stop()
            spark.end_jvm(patience_seconds)
            self._lock.watch(0)
            self.spark = None
        if self._broker is not None:
            self._broker.stop()

    def _set_up_kafka(self) -> None:
        if self._broker is not None and not self._broker.alive():
            self._topic_made = False
            self._say("starting Kafka")
            self._broker.stop()
            self._broker.start(self._say)
        if not self._topic_made:
            chosen = self._settings
            create_topic(self.servers, chosen.topic, chosen.topic_partitions, security_of(chosen))
            self._topic_made = True

    def _set_up_spark(self) -> None:
        self._say("making the tables")
        list(self._lake.create())
        table_store.note(self._lake)
        self._say("starting Spark")
        self._had_jvm = True
        self.spark = spark.session(self._settings, self._say, self._archives)
        self._lock.watch(spark.jvm_process())
        self._say("starting the streams")

    def _set_up_failed(self, error: Exception) -> None:
        self._failures += 1
        cause, cure, _ = explain(error)
        self.trouble = (cause, cure)
        self._retry_at = time.time() + backoff_seconds(self._failures)
        self._say(f"{cause} {cure}".strip())
        log.warning("Set-up failed: %s", error)
