"""What a failed stream's exception means: the cause, and the cure, each in one sentence."""

from __future__ import annotations

import re

from pipeline.errors import ContrailError, DamageError

RESET = "`contrail reset {stream}`, or Reset on the Control tab, lets it begin anew from what it reads; the old checkpoint is kept."
# Pattern in the exception's text -> (what happened, what helps, whether trying again can help by itself).
KNOWN = (
    (r"SaslAuthenticationException|SaslAuthenticationFailed", "Kafka refuses the user.",
     "Check CONTRAIL_KAFKA_USER, CONTRAIL_KAFKA_PASSWORD and CONTRAIL_KAFKA_SASL_MECHANISM.", False),
    (r"SslAuthenticationException|SSLHandshakeException|PKIX path", "Kafka's certificate is not trusted, or Kafka does not trust ours.",
     "Check CONTRAIL_KAFKA_CA, CONTRAIL_KAFKA_CERTIFICATE and CONTRAIL_KAFKA_KEY.", False),
    (r"(Topic|Group|Cluster|TransactionalId)AuthorizationException", "Kafka does not let this user do what the pipeline needs.",
     "Allow it to read and write the topic, and the consumer groups that begin with spark-kafka-source.", False),
    (r"No space left on device|Disk quota exceeded", "The disk is full.", "Free space; the stream goes on by itself.", True),
    (r"Read-only file system|Permission denied", "The lake cannot be written.", "Give the process the right to write; the stream goes on by itself.", True),
    (r"TimeoutException.*(topic|metadata|partition)|Connection to node|No resolvable bootstrap|UnknownTopicOrPartition|DisconnectException",
     "Kafka does not answer.", "Check that the broker runs; the stream goes on by itself.", True),
    (r"KAFKA_DATA_LOSS|data loss|data may have been lost|offset.*out of range|OffsetOutOfRange", "Kafka no longer has messages that this stream has not read.",
     "They are lost. Raise its retention.ms, then reset the stream: it goes on with what Kafka has.", False),
    (r"DELTA_VERSIONS_NOT_CONTIGUOUS|earliest available version|DELTA_FILE_NOT_FOUND|DELTA_MISSING_FILES_UNEXPECTED_VERSION",
     "The table no longer has the versions that this stream has not read: it stood still for too long.",
     "Reset the stream: it is computed again from all that the table holds.", False),
    (r"CHECKPOINT_MISSING_METADATA|Incomplete log file|MALFORMED_LOG_FILE|Malformed log|CANNOT_LOAD_STATE_STORE|CANNOT_READ_.*STATE"
     r"|Error reading (delta|snapshot) file|unknown state version", "The stream's checkpoint is damaged.", RESET, False),
    (r"DELTA_TABLE_NOT_FOUND|DELTA_SCHEMA_NOT_SET|is not a Delta table|DELTA_PATH_DOES_NOT_EXIST|DELTA_VERSION_NOT_CONTIGUOUS|DELTA_LOG_FILE_NOT_FOUND"
     r"|DIFFERENT_DELTA_TABLE|DELTA_TRUNCATED|DELTA_STATE_RECOVER",
     "A table that the stream needs was deleted or damaged.", RESET, False),
    (r"UnknownHost|Connection refused|Unable to execute HTTP request|ConnectException", "The storage or broker cannot be reached.",
     "Check its address and that it runs; the stream goes on by itself.", True),
    (r"InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|Status Code: 403|403 Forbidden", "S3 refuses the keys.", "Check CONTRAIL_S3_ACCESS_KEY and CONTRAIL_S3_SECRET_KEY.", False),
    (r"CONTRAIL_STATE_BUCKETS is", "CONTRAIL_STATE_BUCKETS is not what this lake began with.", "Set it back.", False),
    (r"OutOfMemoryError|Java heap space", "The Spark driver ran out of memory.", "Raise CONTRAIL_DRIVER_MEMORY.", True),
    (r"Py4JNetworkError|Answer from Java side is empty|Connection reset|JavaServer|Py4JError", "The Spark driver's JVM died.", "It is started again by itself.", True),
)  # fmt: skip


def explain(error: object, stream: str = "STREAM") -> tuple[str, str, bool]:
    """Cause, cure, and whether trying again can help; the exception's own first words where it is not known."""
    if isinstance(error, DamageError):
        return error.cause, error.cure, False
    if isinstance(error, ContrailError):
        return str(error), "", True
    text = _with_causes(error)
    for pattern, cause, cure, again in KNOWN:
        if re.search(pattern, text, re.DOTALL if len(text) < 20_000 else 0):
            return cause, cure.replace("{stream}", stream), again
    return gist(text), "Look into the log; it is tried again.", True


def _with_causes(error: object) -> str:
    """An exception's text and those of what caused it, as far as pyspark brought them along."""
    told: list[str] = []
    while error is not None and len(told) < 8:
        told.append(str(error))
        error = getattr(error, "_cause", None)
    return "\n".join(told)


def gist(text: str) -> str:
    """The line of an exception's text that says most: the innermost cause, else the first line."""
    causes = re.findall(r"Caused by: (.+)", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (causes[-1] if causes else lines[0] if lines else "No message.")[:300]
