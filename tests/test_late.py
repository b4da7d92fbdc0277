"""Gold counts every row of Silver, however late it comes."""

from __future__ import annotations

from pipeline import gold, late
from pipeline.audit import audit
from pipeline.drill.messages import HOUR, shifted
from pipeline.serving import Reader
from pipeline.sources import Answer
from pipeline.sources.simulator import Sky
from pipeline.tables import FLIGHT_PHASE_COUNTS, FLIGHTS_ML
from tests.comparison import assert_tables_equal_oracle
from tests.test_graph import START, simulated, take_all


def test_rows_that_come_after_their_windows_were_closed_are_counted_once(spark, settings, lake, producer):
    sky = Sky(60, seed=5)
    for jump in (0, 2 * HOUR, HOUR, -HOUR, 2 * HOUR):
        answer = shifted(sky.answer(START), jump)
        half = answer.states[: 10 + abs(jump) // 200]  # some aircraft are not heard before the clock is back
        producer.send(Answer(answer.time, half), "simulator")
        producer.send(shifted(answer, 20), "simulator") if jump == HOUR else None
        take_all(spark, settings, lake, ("bronze", "silver", "flight_phase_counts", "anomaly_alerts"))
    take_all(spark, settings, lake)
    assert_tables_equal_oracle(lake)
    assert audit(lake).settled


def test_windows_computed_anew_count_silver_as_far_as_the_batch_has_read_it(spark, settings, lake, producer):
    reader, rows = Reader(lake), []
    for answers in (simulated(6)[:3], simulated(6)[3:]):
        for answer in answers:
            producer.send(answer, "simulator")
        take_all(spark, settings, lake, ("bronze", "silver"))
        rows.append((reader.refresh(FLIGHTS_ML), reader.one(FLIGHTS_ML, "count(*) AS n")["n"]))
    assert rows[1][1] > rows[0][1]
    again = late.Again(gold.flight_phase_counts, 1)
    for version, count in rows:
        made = late.windows(spark, lake, FLIGHT_PHASE_COUNTS, again, set(), version)
        assert sum(made["observations"].to_pylist()) == count
