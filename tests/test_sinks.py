"""What a stream writes into Gold, and what its table tells of it."""

from __future__ import annotations

from pipeline.late import Again
from pipeline.serving import Reader
from pipeline.sinks import Merge
from pipeline.tables import FLIGHT_PHASE_COUNTS
from tests.small_lake import phase, put


def test_a_batch_that_has_nothing_to_say_is_noted_once_and_changes_no_row(small_lake):
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 3))
    sink = Merge(FLIGHT_PHASE_COUNTS, ("window_start", "flight_phase"), Again(lambda rows: rows, 1))
    table, reader = small_lake.open(FLIGHT_PHASE_COUNTS), Reader(small_lake)
    before = reader.refresh(FLIGHT_PHASE_COUNTS)
    for batch in (7, 7, 3):
        sink._merge(table, FLIGHT_PHASE_COUNTS.schema.empty_table(), "stream", batch)
    assert reader.refresh(FLIGHT_PHASE_COUNTS) == before + 1
    assert reader.written(FLIGHT_PHASE_COUNTS, "stream") == 7
    assert reader.one(FLIGHT_PHASE_COUNTS, "count(*) AS n")["n"] == 1
