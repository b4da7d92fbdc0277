"""What a stream's exception means: the cause, the cure, and whether it goes on by itself."""

from __future__ import annotations

import pytest

from pipeline.diagnosis import explain, gist
from pipeline.errors import DamageError, StreamError

TRACE = """org.apache.spark.sql.streaming.StreamingQueryException: [STREAM_FAILED] Query terminated
\tat org.apache.spark.sql.execution.streaming.StreamExecution.run(StreamExecution.scala:403)
Caused by: java.lang.IllegalStateException: outer
\tat a.b.C.d(C.java:1403)
Caused by: java.lang.IllegalArgumentException: requirement failed: inner
\tat a.b.C.e(C.java:7)
"""


@pytest.mark.parametrize(
    ("text", "cause", "again"),
    [
        ("java.io.IOException: No space left on device", "The disk is full.", True),
        ("java.io.FileNotFoundException: /lake/x (Read-only file system)", "The lake cannot be written.", True),
        ("org.apache.kafka.common.errors.TimeoutException: Timed out waiting for topic metadata", "Kafka does not answer.", True),
        ("[KAFKA_DATA_LOSS.COULD_NOT_READ_OFFSET_RANGE] Some data may have been lost", "Kafka no longer has messages that this stream has not read.", False),
        ("[STREAMING_CHECKPOINT_MISSING_METADATA_FILE] Checkpoint location is damaged", "The stream's checkpoint is damaged.", False),
        ("[DELTA_TABLE_NOT_FOUND] Delta table `x` doesn't exist", "A table that the stream needs was deleted or damaged.", False),
        ("java.net.ConnectException: Connection refused", "The storage or broker cannot be reached.", True),
        ("S3Exception: Forbidden (Service: S3, Status Code: 403, Request ID: 7)", "S3 refuses the keys.", False),
        ("java.lang.OutOfMemoryError: Java heap space", "The Spark driver ran out of memory.", True),
        ("py4j.protocol.Py4JNetworkError: Answer from Java side is empty", "The Spark driver's JVM died.", True),
    ],
)  # fmt: skip
def test_a_known_exception_is_explained(text: str, cause: str, again: bool):
    found, cure, whether = explain(RuntimeError(f"Query terminated\n{text}\n\tat x.Y.z(Y.scala:12)"))
    assert (found, whether) == (cause, again)
    assert cure.endswith(".")


def test_an_unknown_exception_is_told_by_its_innermost_cause_and_tried_again():
    found, _, again = explain(TRACE)
    assert found == "java.lang.IllegalArgumentException: requirement failed: inner"
    assert again


def test_the_gist_of_a_text_without_causes_is_its_first_line_and_never_long():
    assert gist("\n  first \nsecond") == "first"
    assert gist("") == "No message."
    assert len(gist("x" * 1_000)) == 300


def test_a_damage_names_the_command_that_helps_this_stream_and_is_not_tried_again():
    for text in ("Incomplete log file", "[CANNOT_LOAD_STATE_STORE.UNCATEGORIZED]", "DELTA_VERSION_NOT_CONTIGUOUS"):
        _, cure, again = explain(RuntimeError(text), "silver")
        assert "`contrail reset silver`" in cure
        assert not again
    assert explain(DamageError("It is gone.", "Do this.")) == ("It is gone.", "Do this.", False)
    assert explain(StreamError("It waits.")) == ("It waits.", "", True)
