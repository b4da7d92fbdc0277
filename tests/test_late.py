"""Gold counts every row of Silver, however late it comes."""

from __future__ import annotations

from pipeline.audit import audit
from pipeline.drill.messages import HOUR, shifted
from pipeline.sources import Answer
from pipeline.sources.simulator import Sky
from tests.comparison import assert_tables_equal_oracle
from tests.test_graph import START, take_all


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
