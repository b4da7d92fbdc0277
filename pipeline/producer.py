"""A feed into Kafka: a process of its own, so that its work never competes with the page or the driver.

`python -m pipeline.producer STATUS_FILE` reads its settings from the environment like everything else, ends with its feed, on
SIGTERM, or when its standard input closes, that is with the process that started it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from pipeline.broker import OPEN, batch_limit
from pipeline.errors import ContrailError, FeedError
from pipeline.kafka_security import Security, security_of
from pipeline.settings import Settings, load
from pipeline.sources import FIELDS, Answer, Source
from pipeline.sources.opensky import Access, OpenSky
from pipeline.sources.quota import Ledger, Plan, plan
from pipeline.sources.replay import Replay
from pipeline.sources.simulator import Simulator

STATUS_SECONDS = 1.0
# Kafka may be away for as long as it likes: the feed waits, and loses nothing.
FOREVER_MS = 2**31 - 1
# A Kafka that is back is noticed soon; the library would wait for half a minute.
RECONNECT_MS = 1000
# An answer goes when all of it is there and `flush` says so, however long a busy machine takes to put it together.
LINGER_MS = 60_000
LARGEST_REQUEST = 8 * 1024 * 1024
# A feed that is told to end waits no longer than this for a Kafka that is away: with its driver, the driver's own is gone for ever.
LEAVE_SECONDS = 20.0


def source_of(settings: Settings) -> Source:
    """The feed that the settings name."""
    if settings.source == "opensky":
        access = Access(
            settings.opensky_url, settings.opensky_token_url, settings.opensky_client_id, settings.opensky_client_secret
        )
        return OpenSky(access, ledger_of(settings), settings.box)
    if settings.source == "replay":
        return Replay(settings.recording, settings.speed)
    return Simulator(settings.aircraft, settings.seed, settings.interval, settings.box)


def plan_of(settings: Settings) -> Plan:
    """The quota plan for the settings' account and area."""
    account = settings.opensky_account or ("standard" if settings.opensky_client_id else "anonymous")
    return plan(account, settings.box, settings.quota_reserve)


def ledger_of(settings: Settings) -> Ledger:
    """What was used of today's credits."""
    return Ledger(settings.data_folder / "state" / "quota.json", plan_of(settings))


def messages(answer: Answer, source: str) -> list[tuple[bytes, bytes]]:
    """Key and value of each state vector: the API's field names, the answer's `time` and the feed's name.

    A state that is no list of at most 18 goes as it is under `unknown`: quarantine counts it.
    """
    envelope = {"time": answer.time, "source": source}
    made = []
    for state in answer.states:
        fields: Mapping[str, Any]
        if isinstance(state, list) and len(state) <= len(FIELDS):
            fields = dict(zip(FIELDS, state, strict=False))
        else:
            fields = {"unknown": state}
        key = fields.get("icao24")
        made.append((key.encode() if isinstance(key, str) else b"", orjson.dumps({**fields, **envelope})))
    return made


class Producer:
    """Sends answers to a topic: acknowledged by all replicas, idempotent, an aircraft always to the same partition."""

    def __init__(self, servers: str, topic: str, security: Security = OPEN) -> None:
        self.topic = topic
        self.unsent = 0
        self._failed: list[BaseException] = []
        self._kafka = KafkaProducer(
            bootstrap_servers=servers.split(","),
            acks="all",
            enable_idempotence=True,
            delivery_timeout_ms=FOREVER_MS,
            max_block_ms=FOREVER_MS,
            reconnect_backoff_max_ms=RECONNECT_MS,
            # An answer arrives in one piece: a stream that sees its beginning alone would take a batch for that.
            linger_ms=LINGER_MS,
            batch_size=min(LARGEST_REQUEST, batch_limit(servers, topic, security) * 9 // 10),
            max_request_size=LARGEST_REQUEST,
            **security.client(),
        )

    def send(self, answer: Answer, source: str, *, flush: bool = True) -> int:
        """Send an answer; with `flush`, wait until Kafka has it. Returns how many messages that made."""
        made, sent = messages(answer, source), 0
        for key, value in made:
            try:
                self._kafka.send(self.topic, key=key, value=value).add_errback(self._failed.append)
                sent += 1
            except MessageSizeTooLargeError:
                self.unsent += 1
        if flush:
            self._kafka.flush()
        if self._failed:
            raise FeedError(f"Kafka refuses messages ({self._failed[0]}): look into the broker's log.")
        return sent

    def close(self) -> None:
        """Send what is left, then leave."""
        self._kafka.flush()
        self._kafka.close()


class Status:
    """What the feed says of itself, in a file that the supervisor reads."""

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self._written = 0.0
        self._content: dict[str, Any] = {
            "source": source,
            "answers": 0,
            "messages": 0,
            "started": time.time(),
            "ended": None,
        }

    def report(self, **told: Any) -> None:
        """Take what is new; written once a second at most."""
        self._content.update(told)
        if time.monotonic() - self._written > STATUS_SECONDS:
            self.write()

    def count(self, answer: Answer, sent: int) -> None:
        """Take an answer that is in Kafka."""
        self._content["answers"] += 1
        self._content["messages"] += sent
        self.report(answer_time=answer.time, answer_states=len(answer.states), sent_at=time.time())

    def write(self) -> None:
        """Write it now."""
        self._written = time.monotonic()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".new")
        scratch.write_text(json.dumps(self._content))
        scratch.replace(self.path)


def run(settings: Settings, status: Status, stop: threading.Event) -> None:
    """Feed Kafka until the source ends or `stop` is set."""
    assert settings.kafka is not None
    source, producer = source_of(settings), Producer(settings.kafka, settings.topic, security_of(settings))
    at_leisure = settings.source != "replay" or settings.speed > 0
    status.write()

    def wait(seconds: float) -> bool:
        if seconds > STATUS_SECONDS:  # what was told last is true for as long as that
            status.write()
        return stop.wait(seconds)

    for answer in source.answers(wait, status.report):
        status.count(answer, producer.send(answer, source.name, flush=at_leisure))
    producer.close()
    status.report(unsent=producer.unsent, ended="stopped" if stop.is_set() else "done", trouble=None)
    status.write()


def _stop_with_parent(stop: threading.Event) -> None:
    """Standard input is a pipe from the process that started this one: it closes when that ends, however it ends."""
    sys.stdin.read()
    stop.set()


def _leave_in_time(stop: threading.Event) -> None:
    """End the process although Kafka takes nothing. Its status stays as it was: a new driver's feed may write there already."""
    stop.wait()
    time.sleep(LEAVE_SECONDS)
    told = f"The feed could not send what is left within {LEAVE_SECONDS:.0f} s: it ends without its last messages."
    print(told, file=sys.stderr, flush=True)
    os._exit(1)


def main() -> int:
    """The feed process; exit code 0 when it ended in order, 1 with one sentence otherwise."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    for ending in (_stop_with_parent, _leave_in_time):
        threading.Thread(target=ending, args=(stop,), daemon=True).start()
    settings = load()
    status = Status(Path(sys.argv[1]), settings.source)
    try:
        run(settings, status, stop)
    except (ContrailError, KafkaError) as error:
        status.report(ended="failed", trouble=str(error))
        status.write()
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
