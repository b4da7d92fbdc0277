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

from pipeline.broker import Broker, create_topic, end_offsets
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
