"""What a failed stream's exception means: the cause, and the cure, each in one sentence."""

from __future__ import annotations

import re

# Pattern in the exception's text -> (what happened, what helps, whether trying again can help by itself).
KNOWN = (
    (r"No space left on device|Disk quota exceeded", "The disk is full.", "Free space; the stream goes on by itself.", True),
    (r"Read-only file system|Permission denied", "The lake cannot be written.", "Give the process the right to write; the stream goes on by itself.", True),
    (r"TimeoutException.*(topic|metadata|partition)|Connection to node|No resolvable bootstrap|UnknownTopicOrPartition|DisconnectException",
     "Kafka does not answer.", "Check that the broker runs; the stream goes on by itself.", True),
    (r"KAFKA_DATA_LOSS|data loss|offset.*out of range|OffsetOutOfRange", "Kafka no longer has messages that this stream has not read.",
     "Raise Kafka's retention; begin with a new CONTRAIL_LAKE.", False),
    (r"CHECKPOINT_MISSING_METADATA|Incomplete log file|MALFORMED_LOG_FILE|Malformed log", "The stream's checkpoint is damaged.",
     "Bring its files back from a copy, or begin with a new CONTRAIL_LAKE.", False),
    (r"DELTA_TABLE_NOT_FOUND|DELTA_SCHEMA_NOT_SET|is not a Delta table|DELTA_PATH_DOES_NOT_EXIST|DELTA_VERSION_NOT_CONTIGUOUS|DELTA_LOG_FILE_NOT_FOUND",
     "A table that the stream needs was deleted or damaged.", "Bring the table back, or begin with a new CONTRAIL_LAKE.", False),
    (r"UnknownHost|Connection refused|Unable to execute HTTP request|ConnectException", "The storage or broker cannot be reached.",
     "Check its address and that it runs; the stream goes on by itself.", True),
    (r"InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|Status Code: 403|403 Forbidden", "S3 refuses the keys.", "Check CONTRAIL_S3_ACCESS_KEY and CONTRAIL_S3_SECRET_KEY.", False),
    (r"CONTRAIL_STATE_BUCKETS is", "CONTRAIL_STATE_BUCKETS is not what this lake began with.", "Set it back.", False),
    (r"OutOfMemoryError|Java heap space", "The Spark driver ran out of memory.", "Raise CONTRAIL_DRIVER_MEMORY.", True),
    (r"Py4JNetworkError|Answer from Java side is empty|Connection reset|JavaServer|Py4JError", "The Spark driver's JVM died.", "It is started again by itself.", True),
)  # fmt: skip


def explain(error: object) -> tuple[str, str, bool]:
    """Cause, cure, and whether trying again can help; the exception's own first words where it is not known."""
    text = str(error)
    for pattern, cause, cure, again in KNOWN:
        if re.search(pattern, text, re.DOTALL if len(text) < 20_000 else 0):
            return cause, cure, again
    return gist(text), "Look into the log; it is tried again.", True


def gist(text: str) -> str:
    """The line of an exception's text that says most: the innermost cause, else the first line."""
    causes = re.findall(r"Caused by: (.+)", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (causes[-1] if causes else lines[0] if lines else "No message.")[:300]
