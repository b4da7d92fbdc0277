"""A guard against regressions that times nothing: what one more snapshot of a fixed sky costs each stream, counted.

A batch's time on an idle machine is made of these: each Spark job is planned and scheduled, each file is named by a commit
and opened by a reader, each call of the JVM is a round trip, each Python step a copy of the rows. A number that rises is a
regression; one that falls is to be written down here, so that it stays.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from pipeline.graph import STREAMS, stages
from pipeline.sources.simulator import Sky
from tests.batch_costs import of_a_batch

AIRCRAFT, SNAPSHOTS, INTERVAL_SECONDS, START = (
    400,
    3,
    15,
    1_790_000_000,
)  # only from the third on nothing is set up any more
LEEWAY = 0.1  # of bytes: moments of Kafka differ from run to run, and compress differently

# jobs, tasks: the rows' own, one a Kafka or shuffle partition; none goes through the log of the table that is written.
# table_files: one a task that writes. log_files: the commit and its checksums; delta-rs writes the commit alone.
# checkpoint_files: offsets, commit, and the state of each of two partitions, each with its checksum.
# calls: of the JVM by the driver's Python, however many rows there are: Gold's take them out, the others commit their files.
# python_steps: where rows go to a Python worker and come back.
# to_python_bytes: Spark does not count what a step with state is sent.
EXPECTED: dict[str, dict[str, Any]] = {
    "bronze": {
        "jobs": 1,
        "tasks": 2,
        "table_files": 2,
        "log_files": 6,
        "checkpoint_files": 4,
        "calls": 36,
        "python_steps": (),
        "table_bytes": 47_900,
        "checkpoint_bytes": 1_110,
        "to_python_bytes": 0,
        "from_python_bytes": 0,
    },
    "silver": {
        "jobs": 1,
        "tasks": 4,
        "table_files": 2,
        "log_files": 6,
        "checkpoint_files": 8,
        "calls": 36,
        "python_steps": ("FlatMapGroupsInPandasWithState",),
        "table_bytes": 48_750,
        "checkpoint_bytes": 16_370,
        "to_python_bytes": 0,
        "from_python_bytes": 107_900,
    },
    "quarantine": {  # nothing is wrong with this sky: an empty commit says that it was looked at
        "jobs": 1,
        "tasks": 2,
        "table_files": 0,
        "log_files": 4,
        "checkpoint_files": 4,
        "calls": 32,
        "python_steps": ("MapInArrow",),
        "table_bytes": 0,
        "checkpoint_bytes": 1_210,
        "to_python_bytes": 170_800,
        "from_python_bytes": 0,
    },
    "flight_phase_counts": {
        "jobs": 1,
        "tasks": 4,
        "table_files": 1,
        "log_files": 1,
        "checkpoint_files": 8,
        "calls": 57,
        "python_steps": (),
        "table_bytes": 4_950,
        "checkpoint_bytes": 1_760,
        "to_python_bytes": 0,
        "from_python_bytes": 0,
    },
    "anomaly_alerts": {
        "jobs": 1,
        "tasks": 4,
        "table_files": 1,
        "log_files": 1,
        "checkpoint_files": 8,
        "calls": 49,
        "python_steps": (),
        "table_bytes": 20_160,
        "checkpoint_bytes": 15_200,
        "to_python_bytes": 0,
        "from_python_bytes": 0,
    },
}


def test_a_snapshot_costs_each_stream_no_more_jobs_tasks_files_bytes_and_crossings_than_before(
    spark, settings, lake, producer
):
    sky, flow = Sky(AIRCRAFT, seed=5), [stage for stage in stages(settings) if stage.name in STREAMS]
    for number in range(SNAPSHOTS):
        producer.send(sky.answer(START + INTERVAL_SECONDS * number), "simulator")
        found = {stage.name: asdict(of_a_batch(spark, stage, lake, settings)) for stage in flow}
    assert found == {
        name: {
            what: pytest.approx(cost, rel=LEEWAY) if what.endswith("bytes") else cost for what, cost in costs.items()
        }
        for name, costs in EXPECTED.items()
    }
