"""The embedded Kafka: one real broker (KRaft, no ZooKeeper) as a child process, and the topic on any broker."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import subprocess
import time
from pathlib import Path
from typing import IO, Any

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import TopicAlreadyExistsError

from pipeline import jars
from pipeline.errors import BrokerError
from pipeline.kafka_security import Security, explained
from pipeline.retention import KEPT, hours, milliseconds

STARTUP_SECONDS = 60
CLIENT_MS = 10_000
PORT_SECONDS = 10
# What a topic takes at once: a whole snapshot of the world's sky.
LIMIT, DEFAULT_BATCH, LARGEST_BATCH = "max.message.bytes", 1_048_588, 16 * 1024 * 1024
OPEN = Security()
RETENTION, FOREVER = "retention.ms", -1

# The shell ends the broker when its own standard input closes: the broker never outlives its driver, kill -9 included.
GUARD = '"$@" </dev/null & broker=$!; (cat >/dev/null; kill $broker) <&3 & wait $broker; rc=$?; kill $! 2>/dev/null; exit $rc'

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.hours={retention_hours}
log.segment.bytes=134217728
num.network.threads=2
num.io.threads=2
background.threads=2
"""


class Broker:
    """One Kafka broker below `folder`; `start` and `stop` it as often as wanted. With `archives` it writes its classes there at its end."""

    def __init__(self, folder: Path, cache: Path, archives: Path | None = None) -> None:
        self.folder = folder
        self._cache, self._archives = cache, archives
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._port = 0

    @property
    def servers(self) -> str:
        """Its bootstrap servers."""
        return f"127.0.0.1:{self._port}"

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, say: jars.Progress = print) -> None:
        """Start it and wait until its port is open.

        Raises BrokerError when another broker has the folder, or with what Kafka said last.
        """
        if self.alive():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        class_path = os.pathsep.join(str(path) for path in jars.jars("kafka", self._cache, say))
        java = [
            jars.java(),
            "-Xmx256m",
            "-XX:TieredStopAtLevel=1",  # the second compiler took 1.2 CPU-s in a backlog of a million, and spared none
            "-XX:+UseSerialGC",
            *jars.class_sharing("kafka", self._cache, self._archives),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            class_path,
        ]
        self._port = self._kept_port()
        properties = self._write_properties(controller=free_port())
        self._format(java, properties)
        say(f"Starting Kafka on {self.servers}")
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", f"exec 3<&0; {GUARD}", "broker", *java, "kafka.Kafka", str(properties)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_open()

    def stop(self) -> None:
        """End it in order; nothing happens when it does not run."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = (self.folder / "lock").open("a")
        deadline = time.monotonic() + 10
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    lock.close()
                    raise BrokerError(
                        f"Another Contrail runs its Kafka in {self.folder}: stop it, or set CONTRAIL_DATA to another folder."
                    ) from None
                time.sleep(0.2)
        self._lock = lock

    def _kept_port(self) -> int:
        """The port of the last start where it is free: running clients find the broker again."""
        kept = self.folder / "port"
        port = int(kept.read_text()) if kept.exists() else 0
        if not port or not _is_freed(port):
            port = free_port()
            kept.write_text(str(port))
        return port

    def _write_properties(self, controller: int) -> Path:
        path = self.folder / "server.properties"
        path.write_text(
            PROPERTIES.format(
                port=self._port, controller=controller, logs=self.folder / "logs", retention_hours=hours(KEPT)
            )
        )
        return path

    def _format(self, java: list[str], properties: Path) -> None:
        if (self.folder / "logs" / "meta.properties").exists():
            return
        # An id that starts with a dash would be taken for an option.
        cluster = "c" + secrets.token_urlsafe(16)[:21]
        command = [
            *java,
            "kafka.tools.StorageTool",
            "format",
            "-t",
            cluster,
            "-c",
            str(properties),
            "--ignore-formatted",
        ]
        told = subprocess.run(command, capture_output=True, text=True)
        if told.returncode:
            raise BrokerError(f"Kafka could not format {self.folder}: {_last_line(told.stderr or told.stdout)}")

    def _wait_until_open(self) -> None:
        deadline = time.monotonic() + STARTUP_SECONDS
        while self.alive() and time.monotonic() < deadline:
            if is_open(self._port):
                return
            time.sleep(0.05)
        said = _last_line((self.folder / "broker.log").read_text(errors="replace"))
        self.stop()
        raise BrokerError(f"Kafka did not start ({said}); {self.folder / 'broker.log'} says more.")


def create_topic(servers: str, name: str, partitions: int, security: Security = OPEN) -> None:
    """Make the topic unless it exists; BrokerError when Kafka cannot be reached or refuses."""
    with explained(servers), _admin(servers, security) as admin, contextlib.suppress(TopicAlreadyExistsError):
        given = {LIMIT: str(LARGEST_BATCH), RETENTION: str(milliseconds(KEPT))}
        admin.create_topics([NewTopic(name, partitions, replication_factor=1, topic_configs=given)])


def batch_limit(servers: str, topic: str, security: Security = OPEN) -> int:
    """The most bytes that the topic takes at once; Kafka's default when it does not tell. Raises BrokerError without a Kafka."""
    return _topic_setting(servers, topic, LIMIT, DEFAULT_BATCH, security)


def retention_ms(servers: str, topic: str, security: Security = OPEN) -> int:
    """How long the topic keeps a message, in ms; `FOREVER` when it does not delete by age. Raises BrokerError without a Kafka."""
    return _topic_setting(servers, topic, RETENTION, FOREVER, security)


def _topic_setting(servers: str, topic: str, name: str, default: int, security: Security) -> int:
    with explained(servers), _admin(servers, security) as admin:
        asked = ConfigResource(ConfigResourceType.TOPIC, topic, [name])
        told = admin.describe_configs([asked], config_filter="all")["topic"].get(topic, {})
        return int(told.get(name, {}).get("value", default))


def end_offsets(servers: str, topic: str, security: Security = OPEN) -> dict[int, tuple[int, int]]:
    """Partition -> (first offset kept, next offset) of a topic; empty when there is no such topic."""
    with explained(servers), contextlib.closing(KafkaConsumer(**_client(servers, security))) as consumer:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        first, last = consumer.beginning_offsets(places), consumer.end_offsets(places)
        return {place.partition: (first[place], last[place]) for place in places}


def _admin(servers: str, security: Security) -> contextlib.closing[KafkaAdminClient]:
    return contextlib.closing(KafkaAdminClient(**_client(servers, security)))


def _client(servers: str, security: Security) -> dict[str, Any]:
    patience = {"request_timeout_ms": CLIENT_MS, "bootstrap_timeout_ms": CLIENT_MS}
    return {"bootstrap_servers": servers.split(","), **patience, **security.client()}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_open(port: int) -> bool:
    """Whether something on 127.0.0.1 accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _is_freed(port: int) -> bool:
    """Whether a port can be listened on; one that a dying broker still holds is waited for."""
    deadline = time.monotonic() + PORT_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Kafka does
            probe.bind(("127.0.0.1", port))
            return True
        time.sleep(0.1)
    return False


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
