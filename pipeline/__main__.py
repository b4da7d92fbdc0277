"""The command line: `contrail COMMAND`, the same as `python -m pipeline COMMAND`."""

from __future__ import annotations

import argparse
import dataclasses
import faulthandler
import getpass
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pipeline import lease, object_store, ops, resets, settings
from pipeline.errors import LakeError, LostLakeError, SettingError, StreamError, exit_code
from pipeline.settings import Settings
from pipeline.status_words import housekeeping_words, round_words
from pipeline.tables import Lake, lake_of


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 when all is well, 1 with a sentence on standard error when not."""
    faulthandler.enable(2)  # a crash inside a library leaves the stacks of all threads on standard error
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return exit_code(lambda: _run_command(options))


def _run_command(options: argparse.Namespace) -> int:
    try:
        chosen = {name: getattr(options, name, None) for name in ("source", "file", "speed", "aircraft", "box")}
        return int(options.command(settings.load(**chosen), options))
    except LostLakeError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(1)  # a merge may still be under way in delta-rs: it must not come back into a Python that is ending


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("contrail", description="A live air-traffic lakehouse.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="feed, Kafka and all streams, without a page")
    _add_feed_options(run)
    run.add_argument(
        "--no-feed", action="store_true", help="only the streams: what Kafka has already, and what others send"
    )
    run.add_argument("--exit-when-done", action="store_true", help="stop when every stream has taken all that was fed")
    run.set_defaults(command=_run)

    status = commands.add_parser("status", help="what runs, how fast, how far behind")
    status.add_argument("--json", action="store_true", help="as JSON")
    _add_source_option(status)
    status.set_defaults(command=_status)

    audit = commands.add_parser("audit", help="prove from the tables that no row is lost or counted twice")
    audit.add_argument("--json", action="store_true", help="as JSON")
    _add_source_option(audit)
    audit.set_defaults(command=_audit)

    quota = commands.add_parser("quota", help="what OpenSky's credits allow: calls, interval, how long they last")
    quota.add_argument("--box", help="lamin,lomin,lamax,lomax in degrees, or world")
    quota.set_defaults(command=_quota)

    record = commands.add_parser("record", help="write a feed's answers to a file, for replay")
    record.add_argument("into", metavar="FILE", type=Path, help="the recording: .jsonl or .jsonl.gz")
    record.add_argument("--answers", type=int, help="stop after so many answers")
    _add_feed_options(record)
    record.set_defaults(command=_record)

    train = commands.add_parser(
        "train", help="learn flight phases from Silver, judge and save the model, write its card"
    )
    train.add_argument(
        "--as-in-the-classic", action="store_true", help="only compare the classical way with the honest one"
    )
    train.add_argument("--rows", default="50000", help="at most so many rows, a seeded sample where there are more")
    train.add_argument("--since", help="from this time on, as 2026-01-31T12:00 (UTC)")
    train.add_argument("--until", help="up to this time")
    train.add_argument("--seed", default="42", help="seed of the sample, the splits and the forests")
    train.add_argument(
        "--card", type=Path, help="where to write the model card; default model-card.md in the data folder"
    )
    _add_source_option(train)
    train.set_defaults(command=_train)

    reset = commands.add_parser("reset", help="let a stream begin anew from what it reads, or take that back")
    reset.add_argument("stream", metavar="STREAM", help="the stream; what follows from its table begins anew as well")
    reset.add_argument("--undo", action="store_true", help="take the stream's last reset back")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    _add_source_option(reset)
    reset.set_defaults(command=_reset)

    drill = commands.add_parser(
        "drill", help="inject faults into a pipeline of its own, and prove that nothing is lost or repeated"
    )
    drill.add_argument("--only", metavar="NAME", action="append", default=[], help="this fault alone; repeatable")
    drill.add_argument("--kills", default="50", help="how often the driver is killed")
    drill.add_argument("--hours", default="24", help="how many hours are simulated")
    drill.add_argument("--list", action="store_true", help="only name the faults")
    drill.set_defaults(command=_drill)
    maintain = commands.add_parser(
        "maintain", help="tidy up a lake that stands still; a running driver does it by itself"
    )
    maintain.add_argument("--json", action="store_true", help="as JSON")
    _add_source_option(maintain)
    maintain.set_defaults(command=_maintain)

    topics = commands.add_parser("topics", help="the Kafka topic: partitions and offsets")
    _add_source_option(topics)
    topics.set_defaults(command=_topics)
    return parser


def _add_source_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", help="whose lake: simulator, opensky or replay (CONTRAIL_SOURCE)")


def _add_feed_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", help="simulator, opensky or replay (CONTRAIL_SOURCE)")
    parser.add_argument("--file", help="the recording to replay (CONTRAIL_FILE)")
    parser.add_argument("--speed", help="times faster than recorded; 0 is as fast as possible (CONTRAIL_SPEED)")
    parser.add_argument("--aircraft", help="aircraft of the simulated sky (CONTRAIL_AIRCRAFT)")
    parser.add_argument("--box", help="lamin,lomin,lamax,lomax in degrees, or world (CONTRAIL_BOX)")


def _run(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.graph import STREAMS
    from pipeline.supervisor import Supervisor

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    supervisor = Supervisor(chosen, lambda words: print(words, flush=True))
    supervisor.open()
    try:
        supervisor.start(*(STREAMS if options.no_feed else ()))
        said = ""
        while not stop.wait(1):
            said = _say_if_new(_line(supervisor.status()), said)
            if lost := supervisor.lost():
                raise LostLakeError(lost)
            if options.exit_when_done and (supervisor.streams_run() if options.no_feed else supervisor.feed_ended()):
                supervisor.drain().result()
                _say_if_new(_line(supervisor.status()), said)
                return 0
            if options.exit_when_done and (broken := supervisor.failed()):
                raise StreamError(f"{broken.name} failed: {broken.cause} {broken.cure}")
        return 0
    finally:
        supervisor.close()


def _line(status: dict[str, Any]) -> str:
    """A line of progress: rows that each part has taken."""
    parts = status["parts"].values()
    return "  ".join(f"{part['name']} {part['rows_total']:,}{_mark(part['state'])}" for part in parts)


def _mark(state: str) -> str:
    return "" if state in ("running", "stopped", "done") else f" ({state})"


def _say_if_new(line: str, said: str) -> str:
    if line != said:
        print(line, flush=True)
    return line


def _status(chosen: Settings, options: argparse.Namespace) -> int:
    lake = lake_of(chosen)
    status = ops.read(lake, ops.STATUS)
    if status is None:
        print(f"No pipeline has run on {lake.root} yet: `contrail run` starts one.", file=sys.stderr)
        return 1
    status["maintenance"] = ops.read(lake, ops.MAINTENANCE)
    status["age_seconds"] = round(time.time() - status["at"], 1)
    if lake.on_s3:
        status["s3"] = _s3_status(lake)
    if options.json:
        print(json.dumps(status, indent=2))
        return 0
    silent = status["age_seconds"] > 10 and status["doing"] != "stopped"
    print(
        f"{status['source']} sky in {lake.root}: {'the driver is gone' if silent else status['doing']}, {status['age_seconds']:.0f} s ago"
    )
    for part in status["parts"].values():
        batch = f"{part['batch_ms']} ms a batch" if part["batch_ms"] else ""
        trouble = f"{part['cause'] or ''} {part['cure'] or ''}".strip()
        print(f"  {part['name']:<20} {part['state']:<9} {part['rows_total']:>12,} rows  {batch:<18} {trouble}".rstrip())
    if status["maintenance"]:
        print(f"  {housekeeping_words(status['maintenance'], time.time())}")
    if lake.on_s3:
        told = status["s3"]
        held = f"{told['holder']}, heard of {told['renewed_seconds_ago']:.0f} s ago" if told["holder"] else "nobody"
        print(f"  on S3: {told['objects']:,} objects, {told['bytes'] / 1e6:,.1f} MB; the lease is held by {held}")
    return 0


def _s3_status(lake: Lake) -> dict[str, Any]:
    """What S3 itself tells of a lake: its size, and who has its lease."""
    objects, size = object_store.usage(lake)
    name, age = lease.holder(lake) or (None, None)
    return {"objects": objects, "bytes": size, "holder": name, "renewed_seconds_ago": age}


def _audit(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.audit import audit

    lake = lake_of(chosen)
    lake.check_readable()
    report = audit(lake, lambda words: print(words, file=sys.stderr, flush=True))
    print(json.dumps(report.as_dict(), indent=2) if options.json else report.as_text())
    return 0 if report.holds else 1


def _quota(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.producer import ledger_of, plan_of

    plan, ledger = plan_of(chosen), ledger_of(dataclasses.replace(chosen, source="opensky"))
    area = "the world" if chosen.box is None else f"{plan.square_degrees:,.1f} square degrees"
    print(f"Account {plan.account}: {plan.credits_a_day:,} credits a day, {ledger.left:,} left today.")
    print(f"A call for {area} costs {plan.credits_a_call}.")
    print(
        f"Plan: a call every {plan.interval_seconds:,.1f} s, {plan.calls_a_day:,} calls a day, {plan.reserve:.0%} kept in reserve."
    )
    print(f"So the credits last the day around; every 15 s they would last {plan.lasts_hours(15):,.1f} h.")
    return 0


def _record(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.producer import source_of
    from pipeline.sources.recording import record

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    written = record(source_of(chosen), options.into, options.answers, stop, lambda words: print(words, flush=True))
    print(f"{written} answers in {options.into}")
    return 0


def _train(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline import training_run
    from pipeline.training import Plan

    plan = Plan(
        since=settings.moment("--since", options.since),
        until=settings.moment("--until", options.until),
        rows=_count("--rows", options.rows),
        seed=_count("--seed", options.seed),
    )
    classic = options.as_in_the_classic
    training_run.command(chosen, plan, options.card, lambda words: print(words, flush=True), classic=classic)
    return 0


def _reset(chosen: Settings, options: argparse.Namespace) -> int:
    lake, stream = lake_of(chosen), str(options.stream)
    if ops.read(lake, ops.STATUS) is None:
        raise LakeError(f"No pipeline has run on {lake.root} yet: there is nothing to reset.")
    planned = resets.plan(lake, stream)
    lock = lease.lock_of(lake, chosen.lease_seconds, lambda: None)
    try:
        lock.take()
    except LakeError as error:
        raise LakeError(f"{error} Beside a running driver, reset on the page's Control tab.") from None
    try:
        return _reset_by(lake, planned, options)
    finally:
        lock.free()


def _reset_by(lake: Lake, planned: resets.Plan, options: argparse.Namespace) -> int:
    stream = planned.stream
    if options.undo:
        words, verb, do = f"The last reset of {stream} is taken back.", "undo reset", resets.undo
    else:
        words, verb, do = planned.words, "reset", resets.reset
    print(words)
    if not options.yes:
        print(f"Type {stream} to go on: ", end="", flush=True)
        if sys.stdin.readline().strip() != stream:
            raise StreamError(f"Nothing was changed: {stream!r} was not typed.")
    do(lake, stream)
    ops.note(lake, getpass.getuser(), verb, [stream], "done")
    print(f"Done: {', '.join(planned.streams)} will go on accordingly at the next start.")
    return 0


def _drill(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.drill import cases, report
    from pipeline.drill.case import Extent
    from pipeline.drill.run import run
    from pipeline.kafka_security import unprinted

    faults = cases.chosen(options.only)
    if options.list:
        print("\n".join(f"{case.name:<20} {case.fault}" for case in faults))
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what it has started ends with it
    extent = Extent(kills=_count("--kills", options.kills), hours=_count("--hours", options.hours))
    outcomes = []
    try:
        with unprinted():  # a broker that was killed is no news
            for outcome in run(faults, extent, lambda words: print(words, file=sys.stderr, flush=True)):
                outcomes.append(outcome)
    finally:
        print(report.table(outcomes))
    return 1 if any(outcome.verdict == "failed" for outcome in outcomes) else 0


def _count(option: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**31:
        raise SettingError(f"{option} is {text!r}, but has to be a whole number from 0 to {2**31 - 1:,}.")
    return int(text)


def _maintain(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline import maintenance

    report = maintenance.alone(chosen, lambda words: print(words, file=sys.stderr, flush=True))
    print(json.dumps(vars(report), indent=2) if options.json else round_words(vars(report)))
    return 1 if report.trouble else 0


def _topics(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.broker import end_offsets
    from pipeline.kafka_security import security_of

    servers = chosen.kafka or (ops.read(lake_of(chosen), ops.STATUS) or {}).get("kafka")
    if not servers:
        print("No Kafka runs: `contrail run` starts the embedded one, or set CONTRAIL_KAFKA.", file=sys.stderr)
        return 1
    offsets = end_offsets(servers, chosen.topic, security_of(chosen))
    print(f"{chosen.topic} on {servers}: {len(offsets)} partitions")
    for partition, (first, following) in sorted(offsets.items()):
        print(f"  partition {partition}: offsets {first:,} to {following:,}, {following - first:,} messages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
