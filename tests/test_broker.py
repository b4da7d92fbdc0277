"""The embedded broker as a process: it comes back, keeps what it has, and never outlives its driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from pipeline import jars
from pipeline.broker import DEFAULT_BATCH, LARGEST_BATCH, Broker, batch_limit, create_topic, end_offsets
from pipeline.errors import BrokerError
from pipeline.producer import Producer
from pipeline.settings import load
from pipeline.sources import Answer

STATE = ["4b1814", "SWR1", "Switzerland", 1_790_000_000, 1_790_000_000]


def test_what_was_sent_is_kept_over_a_kill_and_found_on_the_same_port(tmp_path: Path):
    broker = Broker(tmp_path, load({}).cache_folder)
    try:
        broker.start()
        servers = broker.servers
        create_topic(servers, "sky", 1)
        producer = Producer(servers, "sky")
        producer.send(Answer(1_790_000_000, [STATE] * 5), "replay")
        producer.close()
        broker.kill()
        assert not broker.alive()
        broker.start()
        assert broker.servers == servers
        assert end_offsets(servers, "sky") == {0: (0, 5)}
    finally:
        broker.stop()


def test_kafka_starts_from_its_archive_of_classes(broker: Broker):
    kept = jars.class_archive("kafka", load({}).cache_folder)
    assert kept.exists(), "`python -m pipeline.archive` makes it"
    (java,) = [one for one in psutil.Process(broker._process.pid).children() if one.name() == "java"]
    assert str(kept) in {one.path for one in java.memory_maps()}


def test_a_second_broker_on_the_same_folder_is_refused(broker: Broker):
    second = Broker(broker.folder, load({}).cache_folder)
    with pytest.raises(BrokerError, match="CONTRAIL_DATA"):
        second.start()


def test_a_broker_ends_with_its_driver_also_when_that_is_killed(tmp_path: Path):
    program = (
        "import sys, time; from pathlib import Path; from pipeline.broker import Broker; from pipeline.settings import load\n"
        f"broker = Broker(Path({str(tmp_path)!r}), load().cache_folder); broker.start(lambda words: None)\n"
        "print(broker._process.pid, flush=True); time.sleep(600)"
    )
    driver = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert driver.stdout is not None
        shell = psutil.Process(int(driver.stdout.readline()))
        processes = [shell, *shell.children(recursive=True)]
        assert any("kafka.Kafka" in process.cmdline() for process in processes)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive


def test_an_unreachable_kafka_is_named_with_the_cure():
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:9 .*CONTRAIL_KAFKA"):
        end_offsets("127.0.0.1:9", "sky")


def test_a_topic_is_made_once_and_kept(broker: Broker):
    name = f"kept-{time.time_ns()}"
    create_topic(broker.servers, name, 3)
    create_topic(broker.servers, name, 3)
    assert sorted(end_offsets(broker.servers, name)) == [0, 1, 2]


def test_an_answer_of_the_whole_sky_arrives_in_one_piece(broker: Broker):
    name, states = f"whole-{time.time_ns()}", [[f"{number:06x}", "X" * 200] for number in range(12_000)]
    create_topic(broker.servers, name, 1)
    producer = Producer(broker.servers, name)
    assert producer.send(Answer(1_790_000_000, states), "replay") == len(states)
    producer.close()
    # A fetch of one byte brings the first piece whole, and nothing behind it.
    consumer = KafkaConsumer(bootstrap_servers=broker.servers, max_partition_fetch_bytes=1, max_poll_records=10**6)
    try:
        place = TopicPartition(name, 0)
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        assert len(consumer.poll(20_000)[place]) == len(states)
    finally:
        consumer.close()


def test_the_producer_sends_no_more_at_once_than_a_topic_takes_that_was_made_elsewhere(broker: Broker):
    ours, theirs = f"ours-{time.time_ns()}", f"theirs-{time.time_ns()}"
    create_topic(broker.servers, ours, 1)
    admin = KafkaAdminClient(bootstrap_servers=broker.servers)
    admin.create_topics([NewTopic(theirs, 1, 1)])
    admin.close()
    assert batch_limit(broker.servers, ours) == LARGEST_BATCH
    assert batch_limit(broker.servers, theirs) == DEFAULT_BATCH
    producer = Producer(broker.servers, theirs)
    states = [[f"{number:06x}", "X" * 200] for number in range(12_000)]
    assert producer.send(Answer(1_790_000_000, states), "replay") == len(states)
    producer.close()
    assert end_offsets(broker.servers, theirs) == {0: (0, len(states))}


def test_a_message_that_is_too_large_for_kafka_is_counted_once_and_no_other_is_missing(broker: Broker):
    name = f"large-{time.time_ns()}"
    create_topic(broker.servers, name, 1)
    producer = Producer(broker.servers, name)
    huge, state = ["4b1814", "X" * 9_000_000], ["4b1814", "X"]
    assert [producer.send(Answer(at, sky), "replay") for at, sky in ((1, [huge, state]), (2, [state]), (3, []))] == [
        1,
        1,
        0,
    ]
    assert producer.unsent == 1
    producer.close()
