"""Owns Spark, the embedded broker and the feed: starts, stops and restarts them, and publishes how they are.

Callers say what they want; one thread makes it so, twice a second, whatever died meanwhile. So no caller ever waits for Spark,
and a crash is mended by the same steps as a first start.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pyspark.sql.streaming.query import StreamingQuery

from pipeline import catching_up, model_store, object_store, ops, resets, soundness, spark, table_store
from pipeline.catching_up import CatchUp
from pipeline.errors import ContrailError, FeedError, StreamError
from pipeline.feed_process import FeedProcess
from pipeline.footing import Footing
from pipeline.graph import OPTIONAL, STREAMS, Stage, stages
from pipeline.housekeeping import Housekeeping
from pipeline.lease import lock_of
from pipeline.part import GRACE_SECONDS, Part
from pipeline.settings import Settings
from pipeline.sources.replay import Replay
from pipeline.stream_status import StreamStatus
from pipeline.tables import Lake, Table, lake_of

FEED = "feed"
PARTS = (FEED, *STREAMS, *OPTIONAL)
BEAT_SECONDS = 0.5
PUBLISH_SECONDS = 1.0
S3_PUBLISH_SECONDS = 3.0  # each time is a request that may cost money
HUNG_SECONDS = 60.0
PATIENT_MS = 1000
TABLES_SECONDS = 5.0
NICENESS = 5

UNCERTAIN = "S3 does not answer, so it is not certain that this driver still has the lake."

log = logging.getLogger("contrail")


class Supervisor:
    """One driver of one lake. `open` it, ask for parts to run, `close` it."""

    def __init__(self, settings: Settings, say: Callable[[str], None] = print, archives: Path | None = None) -> None:
        self.settings = settings
        self.patience_seconds = GRACE_SECONDS
        self.lake: Lake = lake_of(settings)
        self._say_to = say
        self._doing = "stopped"
        self._stages: dict[str, Stage] = {}
        self._parts = {name: Part(name, optional=name in OPTIONAL) for name in PARTS}
        self._wanted: set[str] = set()
        self._asked: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._lock = lock_of(self.lake, settings.lease_seconds, lambda: self._footing.end_writing())
        self._footing = Footing(settings, self.lake, self._lock, self._announce, archives)
        self._feed = FeedProcess(settings)
        self._catch_up = CatchUp()
        self._housekeeping = Housekeeping(self.lake, settings)
        self._trouble: tuple[str, str] | None = None
        self._beat = time.monotonic()
        self._tables_seen = 0.0
        self._watch = table_store.Watch(self.lake)
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._publisher = threading.Thread(target=self._publish_on, name="publisher", daemon=True)
        self._publishing, self._ended = threading.Lock(), threading.Event()

    def open(self) -> None:
        """Take the lake and begin to look after it. Raises LakeError when another driver or feed has it, or S3 cannot be used."""
        if self.lake.on_s3:
            object_store.check(self.lake, create=self.settings.s3_create_bucket)
        self._lock.take()
        try:
            self._claim_feed()
            resets.finish(self.lake)
        except BaseException:
            self._lock.free()
            raise
        self._stages = {stage.name: stage for stage in stages(self.settings)}
        self._thread.start()
        self._publisher.start()

    def start(self, *names: str) -> Future[None]:
        """Want these parts (`feed` or a stream; all when none is named) to run; returns at once.

        All are those that can: the optional stream only where a model is saved. Named without one it is a StreamError.
        """
        chosen = self._startable(names)
        return self._ask(lambda: self._want(chosen))

    def stop(self, *names: str) -> Future[None]:
        """Want these parts not to run; the future is done when they have stopped."""
        chosen = known(names)
        return self._ask(lambda: self._unwant(chosen))

    def restart(self, *names: str) -> Future[None]:
        """Stop these parts and start them again."""
        chosen = self._startable(names)

        def again() -> None:
            self._unwant(chosen)
            self._want(chosen)

        return self._ask(again)

    def reset(self, stream: str, typed: str) -> Future[None]:
        """Let a stream and its followers begin anew (`resets`), then run again what ran. Raises StreamError unless `typed` is
        the stream's name: nobody resets by a slip."""
        chosen = resets.plan(self.lake, stream).streams
        if typed != stream:
            raise StreamError(f"{typed!r} is not {stream!r}: type the stream's name to reset it.")
        return self._ask(lambda: self._standing_still(chosen, lambda: self._reset(stream)))

    def undo(self, stream: str) -> Future[None]:
        """Take the stream's last reset back, then run again what ran."""
        chosen = resets.plan(self.lake, stream).streams
        return self._ask(lambda: self._standing_still(chosen, lambda: resets.undo(self.lake, stream)))

    def drain(self) -> Future[None]:
        """When the feed has ended: let each stream in turn take all that is there, then stop it."""
        return self._ask(self._drain)

    def feed_ended(self) -> bool:
        """Whether the feed ran and came to its end by itself."""
        return self._parts[FEED].status.state == "done"

    def streams_run(self) -> bool:
        """Whether every stream runs, but those that the pipeline is whole without."""
        return all(self._parts[name].status.state == "running" for name in STREAMS)

    def failed(self) -> StreamStatus | None:
        """A part that failed and is not tried again, or in vain for `HOPELESS_FAILURES` times."""
        needed = (part for part in self._parts.values() if not part.status.optional)
        return next((part.status for part in needed if part.is_hopeless()), None)

    def lost(self) -> str:
        """Who has taken the lake from this driver, as a sentence; it has stopped then. Empty while it is this driver's."""
        return self._lock.lost()

    def status(self) -> dict[str, Any]:
        """All there is to know now, as published under `ops/`; never waits."""
        trouble = self._trouble or self._footing.trouble
        return {
            "at": time.time(),
            "pid": os.getpid(),
            "source": self.settings.source,
            "lake": self.lake.root,
            "kafka": self._footing.servers or None,
            "doing": self._doing,
            "trouble": trouble and {"cause": trouble[0], "cure": trouble[1]},
            "maintenance": self._housekeeping.told,
            "parts": {name: dataclasses.asdict(part.status) for name, part in self._parts.items()},
        }

    def close(self) -> None:
        """Stop everything in order and give the lake back; returns when it is done."""
        if self._thread.is_alive():
            self._asked.put(None)
            self._thread.join()
        self._lock.free()

    def _startable(self, names: Iterable[str]) -> tuple[str, ...]:
        """The parts that are named, or all that can start."""
        chosen, is_named = known(names), bool(tuple(names))
        if set(chosen).isdisjoint(OPTIONAL):
            return chosen
        if is_named:
            model_store.required(self.lake)
            return chosen
        return chosen if model_store.current(self.lake) is not None else (FEED, *STREAMS)

    # From here on: the supervisor's own thread.

    def _ask(self, what: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self._asked.put((what, future))
        return future

    def _run(self) -> None:
        # What this thread starts inherits its niceness: JVM, broker and feed never keep the page waiting.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while not self._lock.lost():
            self._beat = time.monotonic()
            try:
                asked = self._asked.get(timeout=BEAT_SECONDS)
            except queue.Empty:
                pass
            else:
                if asked is None:
                    break
                self._answer(*asked)
                self._publish()
                if not self._asked.empty():
                    continue
            try:
                self._tend()
            except Exception as error:
                log.exception("The supervisor met %s", error)
        self._shut_down()

    def _answer(self, what: Callable[[], Any], future: Future[Any]) -> None:
        try:
            future.set_result(what())
        except Exception as error:
            log.warning("%s", error)
            future.set_exception(error)

    def _want(self, names: Iterable[str]) -> None:
        for name in names:
            self._wanted.add(name)
            self._parts[name].want()
        self._footing.want()

    def _unwant(self, names: Iterable[str]) -> None:
        chosen = tuple(names)
        self._wanted.difference_update(chosen)
        if FEED in chosen:
            self._stop_feed()
        with ThreadPoolExecutor() as pool:  # each after the batch in hand, so together
            list(pool.map(lambda name: self._end(self._parts[name]), chosen))
        if not self._wanted:
            self._footing.rest()

    def _end(self, part: Part) -> None:
        part.stop_query(self._publish)
        part.set("stopped")

    def _reset(self, stream: str) -> None:
        resets.reset(self.lake, stream)
        self._tables_changed()

    def _tables_changed(self) -> None:
        table_store.note(self.lake)
        if self._footing.spark is not None:
            spark.forget_tables(self._footing.spark)

    def _standing_still(self, names: Iterable[str], do: Callable[[], None]) -> None:
        """Do something while these streams do not run."""
        wanted = [name for name in names if name in self._wanted]
        self._unwant(names)
        try:
            with self._housekeeping.still():
                do()
        finally:
            self._want(wanted)

    def _tend(self) -> None:
        """One look at everything: notice what died, start what is wanted and due, read the streams' progress."""
        self._notice_dead_jvm()
        if not self._lock.certain():
            self._trouble = (UNCERTAIN, "The streams wait, and go on by themselves when S3 answers again.")
            return
        self._trouble = None
        for part in self._parts.values():
            part.look()
        self._look_at_tables()
        self._look_at_feed()
        self._keep_house()
        due = [name for name in PARTS if name in self._wanted and self._is_due(name)]
        needed = bool(due) or (bool(self._wanted) and self._footing.lost_broker())
        streams = bool({*due} - {FEED})
        if needed and self._footing.is_there(for_streams=streams, meanwhile=self._start_feed_early):
            for name in filter(self._is_due, due):
                if not self._asked.empty():
                    return  # what a person asks goes first: the rest is started at the next look
                if self._is_held(name):
                    self._parts[name].wait(self._catch_up.words)
                else:
                    self._try_to_start(name)

    def _keep_house(self) -> None:
        """Begin what housekeeping is due; a feed that would go beyond the disk's budget waits."""
        self._housekeeping.tend(self._footing.spark, self._footing.servers)
        if self._housekeeping.full and self._feed.started:
            self._stop_feed()
            self._parts[FEED].fail(FeedError(self._housekeeping.full))

    def _is_due(self, name: str) -> bool:
        part = self._parts[name]
        running = self._feed.started if name == FEED else part.query is not None
        return not running and part.is_due()

    def _is_held(self, name: str) -> bool:
        """Whether a stream is to wait for Silver; one that begins with the present would miss what comes meanwhile, as the feed."""
        if name == FEED or self._stages[name].from_now:
            return False
        return self._catch_up.holds(name, self._parts["bronze"].status, self._parts["silver"].status)

    def _start_feed_early(self) -> None:
        """Data may gather while Spark starts."""
        if FEED in self._wanted and not self._feed.started and self._parts[FEED].status.state != "done":
            self._try_to_start(FEED)

    def _try_to_start(self, name: str) -> None:
        part = self._parts[name]
        try:
            if name == FEED:
                if self._housekeeping.full:
                    raise FeedError(self._housekeeping.full)
                self._feed.start(self._footing.servers)
                part.set("running")
            else:
                assert self._footing.spark is not None
                self._check(self._stages[name])
                if name == "bronze":
                    self._catch_up = catching_up.begun(
                        self.lake,
                        self.settings,
                        self._footing.servers,
                        self._parts["silver"].status,
                        self._catch_up,
                    )
                part.run(
                    spark.start(
                        self._footing.spark, self._stages[name], self.lake, self.settings, self._footing.servers
                    )
                )
        except Exception as error:
            part.fail(error)
        if all(self._parts[one].status.state in ("running", "stopped", "done") for one in PARTS):
            self._say("running")

    def _check(self, stage: Stage) -> None:
        """Raises DamageError when a stream lacks something that Spark would not miss, LakeError when a reset cannot be finished."""
        if resets.finish(self.lake):  # it failed halfway, and no stream may go on before it is done
            self._tables_changed()
        self._check_tables(stage)
        soundness.check_checkpoint(self.lake, stage.name)

    def _check_tables(self, stage: Stage) -> None:
        if isinstance(stage.reads, Table):
            soundness.check_table(self.lake, stage.reads)
        soundness.check_table(self.lake, stage.sink.table)

    def _look_at_tables(self) -> None:
        """A table that was deleted under a running stream: Spark would make another one, and go on."""
        if self.lake.on_s3 or time.monotonic() - self._tables_seen < TABLES_SECONDS:
            return
        self._tables_seen = time.monotonic()
        lost = self._watch.lost()
        for name, stage in self._stages.items():
            part = self._parts[name]
            if part.query is not None and not lost.isdisjoint((stage.reads, stage.sink.table)):
                part.stop_query(self._publish)
                part.fail(self._damage(stage))

    def _damage(self, stage: Stage) -> object:
        try:
            self._check_tables(stage)
        except ContrailError as error:
            return error
        return "A table was damaged, and is whole again."

    def _notice_dead_jvm(self) -> None:
        if self._footing.notice_dead_jvm():
            for part in self._parts.values():
                if part.query is not None:
                    part.fail("Py4JNetworkError")

    def _drain(self) -> None:
        for name, stage in self._stages.items():
            part = self._parts[name]
            self._wanted.discard(name)
            if part.status.optional and part.query is None:
                continue  # nobody wanted it, or it could not
            if self._footing.spark is None:
                raise StreamError("Spark does not run, so nothing can be taken to its end.")
            self._say(f"{name}: taking what is left")
            if part.query is not None and stage.every_ms > PATIENT_MS:
                part.stop_query(self._publish)  # it would sleep until its next look
            if part.query is not None:
                # Stopped now, it would lose the batch that it is at, and take it again.
                self._until_done(part, part.query, part.query.processAllAvailable)
                part.stop_query(self._publish)
            else:
                query = spark.start(
                    self._footing.spark, stage, self.lake, self.settings, self._footing.servers, once=True
                )
                self._until_done(part, query, query.awaitTermination)
            part.status.backlog = 0
            part.set("stopped")

    def _until_done(self, part: Part, query: StreamingQuery, wait: Callable[[], object]) -> None:
        """Wait for a query's end, showing its progress. Raises StreamError when it fails."""
        part.set("running")
        waiting: Future[None] = Future()
        threading.Thread(target=lambda: self._answer(wait, waiting), name="drain", daemon=True).start()
        while not waiting.done():
            time.sleep(BEAT_SECONDS)
            if not self._lock.certain():
                raise StreamError(self._lock.lost() or UNCERTAIN)
            part.read_progress(query)
            self._beat = time.monotonic()
        if (error := query.exception()) is not None:
            part.fail(error)
            raise StreamError(f"{part.status.name} failed: {part.status.cause} {part.status.cure}")
        part.read_progress(query)

    def _claim_feed(self) -> None:
        if self.settings.source == "replay":
            replay = Replay(self.settings.recording, self.settings.speed)
            ops.claim_feed(self.lake, "replay", replay.fingerprint, replay.begins)
        else:
            ops.claim_feed(self.lake, self.settings.source)

    def _look_at_feed(self) -> None:
        part = self._parts[FEED]
        if report := self._feed.report():
            part.status.detail = report
            part.status.rows_total = report.get("messages", 0)
            part.status.last_batch_at = report.get("sent_at")
            if self._feed.started:  # of one that failed, the cause is what it failed of
                part.status.cause = report.get("trouble")
        code = self._feed.ended()
        if code == 0 and report.get("ended") == "done":
            part.set("done")
        elif code is not None:
            words = report.get("trouble") or f"The feed ended with code {code}; see logs/feed.log."
            part.fail(FeedError(words))

    def _stop_feed(self) -> None:
        if self._feed.started:
            self._parts[FEED].set("stopping")
            self._feed.stop(GRACE_SECONDS)

    def _shut_down(self) -> None:
        self._say("stopping")
        self._unwant(PARTS)
        self._housekeeping.stop()
        self._footing.close(self.patience_seconds)
        self._doing = "stopped"
        if self._lock.lost():
            self._trouble = (self._lock.lost(), "")
        self._ended.set()
        self._publisher.join()
        self._publish()

    def _say(self, doing: str) -> None:
        self._doing = doing
        self._say_to(doing)

    def _announce(self, doing: str) -> None:
        self._say(doing)
        self._publish()

    def _publish_on(self) -> None:
        """On a thread of its own: also while the supervisor's starts Spark, which takes its time, but not when that one hangs."""
        while not self._ended.wait(S3_PUBLISH_SECONDS if self.lake.on_s3 else PUBLISH_SECONDS):
            if time.monotonic() - self._beat < HUNG_SECONDS:
                self._publish()

    def _publish(self) -> None:
        if not self._lock.certain():
            return
        try:
            with self._publishing:
                ops.write(self.lake, ops.STATUS, self.status())
        except Exception as error:
            log.warning("The status could not be published: %s", error)


def known(names: Iterable[str]) -> tuple[str, ...]:
    """The parts that are named, all when none is. Raises StreamError for a name that is none."""
    chosen = tuple(names) or PARTS
    for name in chosen:
        if name not in PARTS:
            raise StreamError(f"There is no stream {name!r}; there are {', '.join(PARTS)}.")
    return chosen
