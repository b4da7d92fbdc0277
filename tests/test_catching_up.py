"""While Silver takes a large backlog the other streams wait: they say so, and begin when it is taken; none waits for nothing."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from pipeline import catching_up, ops, resets
from pipeline.audit import audit
from pipeline.catching_up import LEADING, LONGEST_SECONDS, CatchUp
from pipeline.drill.processes import contrail, started
from pipeline.graph import STREAMS, stages
from pipeline.settings import as_environment
from pipeline.stream_status import StreamStatus
from pipeline.supervisor import PARTS, Supervisor
from tests.test_graph import simulated, take_all

OTHERS = [name for name in STREAMS if name not in LEADING]


@pytest.fixture
def many(settings, producer):
    """Settings with whose batches the messages that wait are many, and how many they are."""
    for answer in simulated(12):
        producer.send(answer, "simulator")
    return replace(settings, batch_messages=100), catching_up.waiting(
        Supervisor(settings).lake, settings, settings.kafka
    )


def test_the_others_begin_when_silver_has_taken_what_waited(many, tmp_path):
    chosen, messages = many
    seen, lake = [], Supervisor(chosen).lake
    with started(contrail("run", "--no-feed"), as_environment(chosen), tmp_path / "run.log") as process:
        while not seen or any(seen[-1][name]["state"] != "running" for name in STREAMS):
            assert process.poll() is None, (tmp_path / "run.log").read_text()
            status = ops.read(lake, ops.STATUS)
            seen.append(status["parts"] if status else {name: {"state": "stopped"} for name in STREAMS})
            time.sleep(0.2)
    for name in OTHERS:
        words = {parts[name]["cause"] for parts in seen if parts[name].get("cause")}
        assert len(words) == 1, words
        assert f"Silver has taken the {messages:,} messages" in words.pop()
    begun = [parts for parts in seen if any(parts[name]["state"] == "running" for name in OTHERS)]
    assert begun
    assert all(parts["silver"]["rows_total"] >= messages for parts in begun)
    assert all(seen[-1][name]["cause"] is None for name in STREAMS)


def test_what_has_been_taken_does_not_wait(many, spark):
    chosen, messages = many
    assert messages > 200
    lake = Supervisor(chosen).lake
    take_all(spark, chosen, lake, ["bronze"])
    assert catching_up.waiting(lake, chosen, chosen.kafka) == 0
    assert catching_up.begun(lake, chosen, chosen.kafka, StreamStatus("silver"), CatchUp()) == CatchUp()
    take_all(spark, chosen, lake, STREAMS[1:])
    assert audit(lake).settled
    resets.reset(lake, "bronze")  # its table stays, and a new checkpoint begins behind that
    assert catching_up.waiting(lake, chosen, chosen.kafka) == 0


def test_neither_goal_nor_time_moves_when_bronze_is_started_again_on_the_way(many):
    chosen, messages = many
    lake, silver = Supervisor(chosen).lake, StreamStatus("silver", "running")
    ahead = catching_up.begun(lake, chosen, chosen.kafka, silver, CatchUp())
    assert ahead.goal == messages
    assert catching_up.begun(lake, chosen, chosen.kafka, silver, ahead) is ahead
    silver.rows_total = messages
    assert catching_up.begun(lake, chosen, chosen.kafka, silver, ahead).goal == 2 * messages


def test_the_feed_and_a_stream_that_begins_with_the_present_never_wait(settings):
    supervisor = Supervisor(settings)
    supervisor._stages = {stage.name: stage for stage in stages(settings)}
    supervisor._catch_up = CatchUp(1_000, 1_000, time.monotonic() + 9)
    for name in ("bronze", "silver"):
        supervisor._parts[name].set("starting")
    assert {name for name in PARTS if supervisor._is_held(name)} == {*OTHERS}


@pytest.mark.parametrize(
    ("stream", "bronze", "silver", "rows", "left", "is_held"),
    [
        ("anomaly_alerts", "running", "running", 999, 9, True),
        ("quarantine", "starting", "starting", 0, 9, True),
        ("silver", "running", "starting", 0, 9, False),
        ("bronze", "starting", "running", 0, 9, False),
        ("anomaly_alerts", "running", "running", 1_000, 9, False),
        ("anomaly_alerts", "running", "running", 0, -1, False),
        ("anomaly_alerts", "running", "failed", 0, 9, False),
        ("anomaly_alerts", "running", "stopped", 0, 9, False),
        ("anomaly_alerts", "running", "stalled", 0, 9, False),
        ("anomaly_alerts", "failed", "running", 0, 9, False),
        ("anomaly_alerts", "stopped", "running", 0, 9, False),
    ],
)
def test_a_stream_waits_for_a_bronze_and_silver_that_run_and_not_for_ever(stream, bronze, silver, rows, left, is_held):
    they = StreamStatus("bronze", bronze), StreamStatus("silver", silver, rows_total=rows)
    ahead = CatchUp(1_000, 1_000, time.monotonic() + left)
    assert ahead.holds(stream, *they) is is_held
    assert not CatchUp().holds(stream, *they)
    assert f"{LONGEST_SECONDS:.0f} s" in ahead.words
