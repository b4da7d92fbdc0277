"""Tables against what the oracle says they have to hold, row by row."""

from __future__ import annotations

from typing import Any

from pipeline.drill import comparison, oracle
from pipeline.drill.comparison import messages, rows
from pipeline.tables import Lake, Table

__all__ = ["assert_rows_equal", "assert_tables_equal_oracle", "messages", "rows"]


def assert_tables_equal_oracle(lake: Lake, limits: str = "expert") -> list[dict[str, Any]]:
    """Silver, quarantine and Gold equal an independent computation from Bronze's messages; returns Silver's rows."""
    assert comparison.compared(lake, limits) == comparison.SAME
    return oracle.silver(messages(lake), limits)


def assert_rows_equal(lake: Lake, table: Table, expected: list[dict[str, Any]]) -> None:
    """The table holds exactly these rows; the clocks' columns are left out."""
    assert comparison.of_table(lake, table, expected) == comparison.SAME
