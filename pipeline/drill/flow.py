"""A sky that flows into Kafka while faults happen: by the feed's own producer, which waits for Kafka as long as it has to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.errors import DrillError
from pipeline.producer import Producer
from pipeline.sources import Answer
from pipeline.sources.simulator import Sky

START = 1_790_000_000
STEP_SECONDS = 10  # of the sky, from one answer to the next
PATIENCE_SECONDS = 120
NAME = "drill"


class Flow:
    """Sends an answer of `aircraft` aircraft every so often, from a thread, until it is closed; `sent` counts acknowledged messages."""

    def __init__(self, servers: str, topic: str, aircraft: int, every_seconds: float) -> None:
        self.sent = 0
        self.time, self.step_seconds = START, STEP_SECONDS
        self._servers, self._topic, self._every = servers, topic, every_seconds
        self._sky = Sky(aircraft, seed=5)
        self._producer: Producer | None = None
        self._going, self._ended, self._idle = threading.Event(), threading.Event(), threading.Event()
        self._shaped: Callable[[Answer], Answer] = lambda answer: answer
        self._thread = threading.Thread(target=self._run, name="flow", daemon=True)
        self._thread.start()

    def go(self) -> None:
        """Let it flow."""
        self._idle.clear()
        self._going.set()

    def pause(self) -> None:
        """Stop after the answer in hand is in Kafka. Raises DrillError when Kafka does not take it."""
        self._going.clear()
        if not self._idle.wait(PATIENCE_SECONDS):
            raise DrillError("Kafka does not take what the drill sends.")

    def shape(self, shaped: Callable[[Answer], Answer] = lambda answer: answer) -> None:
        """Let the answers be changed on their way."""
        self._shaped = shaped

    def send(self, answer: Answer) -> None:
        """Send one answer now; the flow has to be paused."""
        self.sent += self._made().send(answer, NAME)

    def burst(self, answers: int) -> None:
        """Send so many answers at once; the flow has to be paused."""
        for _ in range(answers):
            self.sent += self._made().send(self._next(), NAME, flush=False)
        self._made().send(Answer(0, []), NAME)

    def raw(self, values: list[tuple[bytes | None, bytes | None]]) -> None:
        """Send messages (key and value) just as they are; the flow has to be paused."""
        made = self._made()
        for key, value in values:
            made._kafka.send(self._topic, key=key, value=value)
        made._kafka.flush()
        self.sent += len(values)

    def close(self) -> None:
        """End the thread; what Kafka does not take any more is given up."""
        self._ended.set()
        self._going.set()
        self._thread.join(2)

    def _made(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(self._servers, self._topic)
        return self._producer

    def _run(self) -> None:
        while not self._ended.is_set():
            if not self._going.is_set():
                self._idle.set()
                self._going.wait(0.2)
                continue
            self.sent += self._made().send(self._next(), NAME)
            time.sleep(self._every)

    def _next(self) -> Answer:
        answer = self._shaped(self._sky.answer(self.time))
        self.time += self.step_seconds
        return answer
