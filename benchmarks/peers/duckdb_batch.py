"""DuckDB over the whole topic at once, as a nightly job would: nothing is incremental, and it is independent of the pipeline's way.

The other peers' rows are held against its tables; tests/test_peers.py holds these against the oracle.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

from benchmarks.peers.topic import Messages, pieces
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake

HERE = Path(__file__).parent


def batch(taken: list[Messages], lake: Lake) -> None:
    """Compute Silver and Gold from all messages and write them."""
    messages = pa.concat_tables([_table(one) for one in taken])
    engine = duckdb.connect(config={"threads": 2})
    engine.register("messages", messages)
    for script in ("silver.sql", "gold.sql"):
        engine.execute((HERE / script).read_text())
    for table in (FLIGHTS_ML, FLIGHT_PHASE_COUNTS, ANOMALY_ALERTS):
        columns = ", ".join(f'"{name}"' for name in table.schema.names)
        rows = engine.sql(f"SELECT {columns} FROM {table.name}").to_arrow_table().cast(table.schema)
        write_deltalake(lake.path(table), rows, mode="append", partition_by=["date"])


def _table(taken: Messages) -> pa.Table:
    at = pa.array(taken.timestamp).cast(pa.timestamp("ms"))
    columns = {"partition": pa.array(taken.partition), "offset": pa.array(taken.offset), "kafka_timestamp": at}
    return pa.table({"value": pa.array(taken.values, pa.binary()).cast(pa.string())} | columns)


def main(servers: str, topic: str, lake: str, most: str) -> None:
    """Read the topic to its end, then compute once."""
    batch(list(pieces(servers, topic, int(most))), Lake(lake))


if __name__ == "__main__":
    main(*sys.argv[1:])
