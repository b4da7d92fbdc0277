"""Small real tables for tests of what reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from pipeline.tables import Lake, Table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def put(lake: Lake, table: Table, *rows: dict[str, Any]) -> None:
    """Append rows; columns that a row does not name are missing in it."""
    full = [dict.fromkeys(table.schema.names) | row for row in rows]
    write_deltalake(lake.path(table), pa.Table.from_pylist(full, schema=table.schema), mode="append")
