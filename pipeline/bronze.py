"""Bronze: every Kafka message as it came."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def raw_messages(messages: DataFrame) -> DataFrame:
    """Kafka's records as rows of the table `bronze`; nothing is parsed, so nothing can be lost."""
    return messages.select(
        "key",
        "value",
        "topic",
        "partition",
        "offset",
        F.col("timestamp").alias("kafka_timestamp"),
        F.to_date("timestamp").alias("ingest_date"),
    )
