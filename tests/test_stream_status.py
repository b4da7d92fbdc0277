"""How a stream is: told from Spark's own reports of real batches."""

from __future__ import annotations

import json
import time

import pytest

from pipeline import spark as engine
from pipeline.graph import STREAMS, stages
from pipeline.sources.simulator import Sky
from pipeline.stream_status import StreamStatus

AGE_SECONDS = 300


def test_how_far_a_stream_is_behind_is_the_age_of_its_newest_report_never_of_a_window(spark, settings, lake, producer):
    answer = Sky(200, seed=5).answer(int(time.time()) - AGE_SECONDS)
    newest = max(state[4] for state in answer.states if state[4] <= answer.time)
    producer.send(answer, "simulator")
    behind = {}
    for stage in (stage for stage in stages(settings) if stage.name in STREAMS):
        query = engine.start(spark, stage, lake, settings, settings.kafka, once=True)
        query.awaitTermination()
        status = StreamStatus(stage.name)
        for progress in query.recentProgress:
            status.take_batch(json.loads(progress.json))
        behind[stage.name] = None if status.lag_seconds is None else status.last_batch_at - status.lag_seconds
    assert behind.pop("bronze") == pytest.approx(time.time(), abs=60)  # the moment when Kafka got it
    assert behind.pop("quarantine") is None  # nothing is wrong with this sky
    assert behind == dict.fromkeys(("silver", "flight_phase_counts", "anomaly_alerts"), pytest.approx(newest, abs=1))
