"""What goes to Kafka, what the feed says of itself, and the quota plan that the settings make."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from pipeline.broker import Broker, create_topic
from pipeline.drill.processes import wait_until
from pipeline.feed_process import FeedProcess
from pipeline.producer import Status, messages, plan_of, source_of
from pipeline.settings import load
from pipeline.sources import FIELDS, Answer
from pipeline.sources.opensky import OpenSky
from pipeline.sources.replay import Replay
from pipeline.sources.simulator import Simulator

STATE = ["4b1814", "SWR1    ", "Switzerland", 99, 100, 8.5, 47.4, 1000, False, 100.5, 10, 5.2]
STATE += [None, 1100.0, "1000", False, 0, 4]


def test_a_state_is_a_message_with_the_apis_names_the_time_and_the_feed_keyed_by_its_aircraft():
    ((key, value),) = messages(Answer(100, [STATE]), "opensky")
    assert key == b"4b1814"
    assert json.loads(value) == dict(zip(FIELDS, STATE, strict=True)) | {"time": 100, "source": "opensky"}
    assert b'"baro_altitude":1000,' in value  # as it came: no float was made of it


def test_a_state_without_the_last_fields_has_none_of_them():
    ((_, value),) = messages(Answer(100, [STATE[:17]]), "opensky")
    assert "category" not in json.loads(value)
    assert json.loads(value)["position_source"] == 0


@pytest.mark.parametrize("state", [7, None, "4b1814", {"icao24": "4b1814"}, [*STATE, 1]])
def test_a_state_that_is_none_goes_as_it_is_for_quarantine_to_count(state):
    ((key, value),) = messages(Answer(100, [state]), "opensky")
    assert key == b""
    assert json.loads(value) == {"unknown": state, "time": 100, "source": "opensky"}


@pytest.mark.parametrize("state", [[], [None], [7], [["4b1814"]]])
def test_a_state_whose_address_is_no_text_has_an_empty_key(state):
    ((key, value),) = messages(Answer(100, [state]), "opensky")
    assert key == b""
    assert json.loads(value).get("icao24") == (state[0] if state else None)


def test_no_state_is_left_out_and_their_order_is_kept():
    states = [[f"{number:06x}"] for number in range(50)] + [3, STATE]
    assert [key.decode() for key, _ in messages(Answer(100, states), "replay")] == [
        *(state[0] for state in states[:50]),
        "",
        "4b1814",
    ]
    assert messages(Answer(100, []), "replay") == []


def test_a_status_counts_answers_and_messages_and_is_whole_whenever_it_is_read(tmp_path: Path):
    status = Status(tmp_path / "new" / "feed.json", "simulator")
    status.count(Answer(100, [STATE, STATE]), 2)
    status.count(Answer(110, [STATE]), 1)
    status.report(credits_left=12, trouble="none")
    status.write()
    said = json.loads(status.path.read_text())
    assert (said["source"], said["answers"], said["messages"], said["ended"]) == ("simulator", 2, 3, None)
    assert (said["answer_time"], said["answer_states"], said["credits_left"]) == (110, 1, 12)
    assert [path.name for path in status.path.parent.iterdir()] == ["feed.json"]


def test_a_status_is_not_written_again_within_a_second(tmp_path: Path):
    status = Status(tmp_path / "feed.json", "simulator")
    status.write()
    status.path.unlink()
    status.report(credits_left=12)
    assert not status.path.exists()


@pytest.mark.parametrize(
    ("environ", "account", "credits_a_call", "interval"),
    [
        ({}, "anonymous", 4, 960),
        ({"CLIENT_ID": "me", "CLIENT_SECRET": "hush"}, "standard", 4, 96),
        ({"CLIENT_ID": "me", "CLIENT_SECRET": "hush", "ACCOUNT": "feeder"}, "feeder", 4, 48),
        ({"ACCOUNT": "licensed"}, "licensed", 4, 5),
    ],
)
def test_the_plan_follows_from_the_account(environ, account: str, credits_a_call: int, interval: float):
    planned = plan_of(load({f"CONTRAIL_OPENSKY_{name}": value for name, value in environ.items()}))
    assert (planned.account, planned.credits_a_call) == (account, credits_a_call)
    assert planned.interval_seconds == pytest.approx(interval)


def test_the_plan_follows_from_the_area_and_the_reserve():
    planned = plan_of(load({"CONTRAIL_BOX": "45.8,5.9,47.8,10.5", "CONTRAIL_QUOTA_RESERVE": "0"}))
    assert (planned.credits_a_call, planned.interval_seconds) == (1, 216)
    assert planned.square_degrees == pytest.approx(9.2)


def test_the_settings_name_the_feed(tmp_path: Path):
    (tmp_path / "sky.jsonl").write_text('{"time":100,"states":[]}\n')
    data = {"CONTRAIL_DATA": str(tmp_path)}
    recording = {"CONTRAIL_FILE": str(tmp_path / "sky.jsonl")}
    assert isinstance(source_of(load(data | {"CONTRAIL_AIRCRAFT": "10"})), Simulator)
    assert isinstance(source_of(load(data | {"CONTRAIL_SOURCE": "opensky"})), OpenSky)
    assert isinstance(source_of(load(data | recording | {"CONTRAIL_SOURCE": "replay"})), Replay)


def test_a_feed_ends_with_its_driver_although_the_drivers_kafka_died_with_it(tmp_path: Path):
    broker = Broker(tmp_path / "kafka", load({}).cache_folder)
    feed = FeedProcess(load({"CONTRAIL_DATA": str(tmp_path), "CONTRAIL_AIRCRAFT": "50", "CONTRAIL_INTERVAL": "1"}))
    try:
        broker.start()
        create_topic(broker.servers, "state-vectors", 1)
        feed.start(broker.servers)
        wait_until(lambda: feed.report().get("answers", 0) > 1, 60, "the feed sends")
        broker.kill()
        time.sleep(3)  # an answer waits for Kafka now
        assert feed.ended() is None
        process = feed._process
        process.stdin.close()
        assert process.wait(60) == 1
        assert "without its last messages" in (tmp_path / "logs" / "feed.log").read_text()
    finally:
        feed.stop(0)
        broker.stop()
